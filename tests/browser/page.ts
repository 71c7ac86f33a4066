// Runs in a page of another origin than the cluster's; the test calls what it leaves on `globalThis`.
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";

function connect(baseUrl: string) {
  const transport = createGrpcWebTransport({ baseUrl });
  const data = createClient(DataService, transport);
  const router = createClient(RouterService, transport);
  return {
    async locate(key: string) {
      const { group, address } = await router.locate({ key });
      return { group, address };
    },
    async put(key: string, text: string) {
      return String((await data.put({ key, value: { case: "text", value: text } })).revision);
    },
    async get(key: string) {
      return (await data.get({ key })).value.value;
    },
    async delete(key: string) {
      return String((await data.delete({ key })).revision);
    },
    /** Keeps the versions of the topology that have been streamed; `stop` ends the stream. */
    watch() {
      const seen: { routers: number; groups: string[] }[] = [];
      const controller = new AbortController();
      const ended = (async () => {
        try {
          for await (const { topology } of router.watchTopology({}, { signal: controller.signal })) {
            seen.push({
              routers: topology?.routers.length ?? 0,
              groups: topology?.groups.map(({ name }) => name) ?? [],
            });
          }
        } catch (error) {
          if (!controller.signal.aborted) throw error;
        }
      })();
      return { seen, stop: () => controller.abort(), ended };
    },
  };
}

export type Connect = typeof connect;
export type Watch = ReturnType<ReturnType<Connect>["watch"]>;

Object.assign(globalThis, { connect });
