/** Health checks: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */

import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type HealthCheckResponse_ServingStatus,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.ts";

/** The node's own health. */
export interface Health {
  /** Whether a service, by its full name, works now. The empty name means the whole node. */
  serving(service: string): boolean;
  /** Calls `listener` after every change. Returns a function that stops it. */
  onChange(listener: () => void): () => void;
}

/** Registers the health service for all services of the router, including itself and those registered later. */
export function addHealth(router: ConnectRouter, health: Health): void {
  const known = () => new Set(["", ...router.handlers.map(({ service }) => service.typeName)]);
  const statusOf = (service: string): HealthCheckResponse_ServingStatus => {
    if (!known().has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return health.serving(service) ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };

  router.service(HealthService, {
    check({ service }) {
      const status = statusOf(service);
      if (status === ServingStatus.SERVICE_UNKNOWN) {
        throw new ConnectError(`service ${service} is not known`, Code.NotFound);
      }
      return { status };
    },

    list() {
      const statuses = Array.from(known(), (service) => [service, { status: statusOf(service) }]);
      return { statuses: Object.fromEntries(statuses) };
    },

    async *watch({ service }, { signal }) {
      let wake = () => {};
      const unsubscribe = health.onChange(() => wake());
      signal.addEventListener("abort", () => wake(), { once: true });
      let told: HealthCheckResponse_ServingStatus | undefined;
      try {
        while (!signal.aborted) {
          const changed = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const status = statusOf(service);
          if (status === told) {
            await changed;
          } else {
            told = status;
            yield { status };
          }
        }
      } finally {
        unsubscribe();
      }
    },
  });
}
