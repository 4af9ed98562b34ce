/** The Fastify instance with TypeBox as its validator: unknown fields are errors, never dropped. */
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
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

/** @param answerError answers what is wrong with a request before any route sees it: a URL that cannot be decoded */
export function makeApp(
  answerError: (error: Error, request: FastifyRequest, reply: FastifyReply) => void,
): App {
  return fastify({
    frameworkErrors: (error, request, reply) =>
      answerError(error, request as FastifyRequest, reply as FastifyReply),
    bodyLimit: apiLimits.bodyBytes,
    // As long as node's parser takes a request's head: a path over the limit is then refused as a path.
    routerOptions: { maxParamLength: 16 * 1024 },
    logger: false,
    forceCloseConnections: true,
  })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>();
}
