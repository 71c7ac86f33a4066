import manifest from "../../package.json" with { type: "json" };

/** The version of this kvlab. The built package and the binary have a package.json at the same place. */
export const version: string = manifest.version;
