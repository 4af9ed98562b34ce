/** The Fastify instance with TypeBox as its validator: unknown fields are errors, never dropped. */
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { apiLimits } from "../../lib/api/routes.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export function makeApp(): App {
  return fastify({
    bodyLimit: apiLimits.bodyBytes,
    // The path of a file may be 1,024 bytes, each percent-encoded as three characters.
    routerOptions: { maxParamLength: 4 * 1024 },
    logger: false,
    forceCloseConnections: true,
  })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>();
}
