import { openWire } from "../../src/coordination/wire/open-wire.ts";
import { coordinationConformance } from "../support/coordination-conformance.ts";
import { networkedService } from "../support/networked-coordination.ts";

coordinationConformance("wire", () => networkedService(openWire));
