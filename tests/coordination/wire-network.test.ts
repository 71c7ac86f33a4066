import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { networkConformance } from "../support/network-conformance.ts";

networkConformance("wire", openWire, { outlivesSilence: true });
