import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";

/** A unary method and what carries it out. */
export interface UnaryMethod {
  readonly service: DescService;
  readonly method: DescService["methods"][number];
  readonly call: (
    request: MessageShape<DescMessage>,
    context: HandlerContext,
  ) => MessageInitShape<DescMessage> | Promise<MessageInitShape<DescMessage>>;
  /** Limit of a request. */
  readonly messageBytesMax: number;
}

/** A router that also notes the unary methods by their path: Connect's keeps them to itself. */
export class UnaryMethods implements ConnectRouter {
  readonly byPath = new Map<string, UnaryMethod>();
  readonly #router: ConnectRouter;
  readonly #messageBytesMax: number;

  constructor(router: ConnectRouter, messageBytesMax: number) {
    this.#router = router;
    this.#messageBytesMax = messageBytesMax;
  }

  get handlers(): ConnectRouter["handlers"] {
    return this.#router.handlers;
  }

  service<Service extends DescService>(
    service: Service,
    implementation: Partial<ServiceImpl<Service>>,
    options?: Partial<UniversalHandlerOptions>,
  ): this {
    for (const method of service.methods) {
      const call: unknown = Reflect.get(implementation, method.localName);
      if (method.methodKind !== "unary" || !isCall(call)) continue;
      this.byPath.set(`/${service.typeName}/${method.name}`, {
        service,
        method,
        call,
        messageBytesMax: options?.readMaxBytes ?? this.#messageBytesMax,
      });
    }
    this.#router.service(service, implementation, options);
    return this;
  }

  rpc(): this {
    throw new TypeError("services are routed as a whole");
  }
}

function isCall(value: unknown): value is UnaryMethod["call"] {
  return typeof value === "function";
}
