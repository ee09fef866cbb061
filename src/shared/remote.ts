/** How a server that runs the layers is reached. */

/** As the settings and the secret storage hold them. */
export interface RemoteOptions {
  /** http(s):// for REST, grpc(s):// for gRPC. */
  readonly url: string;
  /** Name of the served model; '' takes the only one there is. */
  readonly model: string;
  readonly token: string | null;
  /** For one answer, in milliseconds. */
  readonly timeoutMs: number;
  /** How often a request is sent again when the server or the line fails. */
  readonly retries: number;
  /** PEM file of a certificate authority that is trusted in place of the system's; '' for those. */
  readonly caFile: string;
}
