// runtimes: node
import { openNative } from "../../src/coordination/native/open.ts";
import { networkConformance } from "../support/network-conformance.ts";

networkConformance("native", openNative, { outlivesSilence: true });
