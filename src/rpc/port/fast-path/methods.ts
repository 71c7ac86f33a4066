import type { DescMessage, DescService, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { DuplexHandler, OpenDuplex } from "../../duplex.ts";

interface FastMethod {
  readonly service: DescService;
  readonly method: DescService["methods"][number];
  /** Limit of a message of the request. */
  readonly messageBytesMax: number;
}

/** A unary method and what carries it out. */
export interface UnaryMethod extends FastMethod {
  readonly call: (
    request: MessageShape<DescMessage>,
    context: HandlerContext,
  ) => MessageInitShape<DescMessage> | Promise<MessageInitShape<DescMessage>>;
}

/** A bidirectional method and what carries it out. */
export interface DuplexMethod extends FastMethod {
  readonly open: OpenDuplex<Message, MessageInitShape<DescMessage>>;
}

/** A router that also notes the methods of the fast path, by their path: Connect's keeps them to itself. */
export class FastMethods implements ConnectRouter {
  readonly unary = new Map<string, UnaryMethod>();
  readonly duplex = new Map<string, DuplexMethod>();
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
    const messageBytesMax = options?.readMaxBytes ?? this.#messageBytesMax;
    for (const method of service.methods) {
      const path = `/${service.typeName}/${method.name}`;
      const handler: unknown = Reflect.get(implementation, method.localName);
      if (method.methodKind === "unary" && isCall(handler)) {
        this.unary.set(path, { service, method, messageBytesMax, call: handler });
      } else if (method.methodKind === "bidi_streaming" && isDuplex(handler)) {
        this.duplex.set(path, { service, method, messageBytesMax, open: handler.open });
      }
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

function isDuplex(value: unknown): value is DuplexHandler<Message, MessageInitShape<DescMessage>> {
  return typeof value === "function" && "open" in value;
}
