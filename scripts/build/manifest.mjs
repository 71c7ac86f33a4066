/** What of our package.json only developing needs, or keeps the sources from being published. */
const OURS = ["private", "scripts", "devDependencies", "allowScripts"];

/**
 * The package.json of the built package, made from that of the sources: every path to a TypeScript file becomes the paths
 * to its JavaScript and, for those who import it, its declarations. So an entry is added in one place.
 */
export function publishedManifest(source) {
  const kept = Object.entries(source).filter(([name]) => !OURS.includes(name));
  return {
    ...Object.fromEntries(kept),
    sideEffects: source.sideEffects.map(toJavaScript),
    exports: mapValues(source.exports, toTypedEntry),
    imports: mapValues(source.imports, (target) => mapValues(target, toJavaScript)),
    bin: mapValues(source.bin, toJavaScript),
  };
}

function toJavaScript(path) {
  return path.replace(/\.ts$/, ".js");
}

/** The types come first: TypeScript takes the first condition that it knows. */
function toTypedEntry(path) {
  if (!path.endsWith(".ts")) return path;
  return { types: path.replace(/\.ts$/, ".d.ts"), default: toJavaScript(path) };
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}
