// Writes a .pyc beside each module of a folder, by the CPython in an npm package pyodide: see bytecode.py.
//
//     node infra/packaging/bytecode.mjs <the package's folder> <the folder with the modules> <what tracebacks call that folder>
//
// One process, one order and a fixed hash seed: the output depends on the sources alone. Exit code 1 if a module does
// not compile, 2 for other errors.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const COMPILE = `
import compileall, py_compile
lambda folder: compileall.compile_dir(
    folder, maxlevels=100, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
)
`;

async function compile(compiler, modules, unpacked) {
  const { loadPyodide } = await import(pathToFileURL(join(compiler, "pyodide.mjs")));
  const python = await loadPyodide({
    env: { HOME: "/", PYTHONHASHSEED: "0", PYTHONDONTWRITEBYTECODE: "1" },
    stdout: (line) => process.stderr.write(`${line}\n`),
  });
  python.FS.mkdirTree(unpacked);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: modules }, unpacked);
  return python.runPython(COMPILE)(unpacked);
}

try {
  process.exitCode = (await compile(...process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  // Not the whole error: Node.js would print the line, which is the package's one million characters.
  process.stderr.write(`${error?.message ?? error}\n`);
  process.exitCode = 2;
}
