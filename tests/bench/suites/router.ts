import { loadSuite } from "../load-suite.ts";
import { startKvlab } from "../peers/kvlab.ts";
import type { Workload } from "../suite.ts";
import { type GrpcWork, grpcSide } from "./grpc-side.ts";

interface RouterWorkload extends Workload {
  readonly work: GrpcWork;
  readonly inFlight: number;
}

/** What calls lose that go to a router, which passes them on, and not straight to the primary. */
export const routerSuite = loadSuite<RouterWorkload>({
  name: "router",
  needs: ["zookeeper", "h2load"],
  workloads: (["put", "get"] as const).flatMap((work) =>
    ([1, 32, 128] as const).map((inFlight) => ({
      name: `router/${work}/${inFlight}/100B`,
      work,
      inFlight,
      compared: inFlight === 1 ? "p50" : "rate",
      pairs: [["through a router", "straight"]],
    })),
  ),
  async open() {
    const kvlab = await startKvlab({ name: "kvlab", runtime: "bun", replicas: 2 });
    return {
      peers: [kvlab],
      sidesOf({ work, inFlight }) {
        const settings = { peer: kvlab, work, inFlight, size: "100B" } as const;
        return [
          grpcSide({ ...settings, name: "through a router", through: "router" }),
          grpcSide({ ...settings, name: "straight" }),
        ];
      },
      close: kvlab.close,
    };
  },
});
