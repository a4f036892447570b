"""The SMS-to-Connect bridge as it runs in Lambda: intake puts texts on their conversation, forward delivers them."""
