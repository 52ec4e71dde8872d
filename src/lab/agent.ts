// One node of a lab: a process in a network namespace of its own that sends, captures and runs commands there.
// Everything it refuses is a HostError that names the node; times are milliseconds, frames are whole Ethernet frames.
import { HostError } from '../model/host-error.ts';
import { type Ip, parseIp, printIp } from '../model/ip.ts';
import { type Mac, parseMac } from '../model/mac.ts';
import { type AgentChannel, openChannel, type Patience } from './agent-channel.ts';

export type Frame = { readonly ifname: string; readonly bytes: Uint8Array };

/** `us`: microseconds since 1970, when the kernel received it. */
export type CapturedFrame = Frame & { readonly us: number };

export type Captured = {
  readonly frames: readonly CapturedFrame[];
  /** Frames that the kernel threw away because the socket's buffer was full, since the last reading. */
  readonly dropped: number;
};

/** A negative status is the signal that ended the command. */
export type CommandResult = { readonly status: number; readonly stdout: string; readonly stderr: string };

export type Neighbour = {
  readonly ifname: string;
  readonly address: Ip;
  readonly mac?: Mac;
  /** As ip-neighbour(8) prints them: REACHABLE, STALE, FAILED, ... */
  readonly states: readonly string[];
};

export type PingResult = {
  readonly answered: boolean;
  readonly rttUs?: number;
  /** The errno with which the sender's own kernel refused the request, as its OUTPUT chain does with EPERM. */
  readonly refused?: string;
};

export type EchoRequest = {
  readonly address: Ip;
  /** ICMP identifier, 0..65535. */
  readonly ident: number;
  readonly sequence: number;
  /** Octets of payload; 56 unless told. */
  readonly size?: number;
};

export type ConnectResult = 'connected' | 'refused' | 'timeout' | 'unreachable';

export type Connection = { readonly address: Ip; readonly port: number; readonly sport?: number };

export type Flow = { readonly id: number; readonly sport: number };

type RunOptions = Patience & { readonly input?: string };

/** Starts an agent in a fresh network namespace. @throws HostError 'agent-failed' without root, unshare or python3 */
export async function startAgent(name = 'agent'): Promise<Agent> {
  const agent = new Agent(await openChannel());
  agent.name = name;
  return agent;
}

export class Agent {
  readonly #channel: AgentChannel;

  constructor(channel: AgentChannel) {
    this.#channel = channel;
  }

  /** What error messages call the agent: the node that it plays. */
  get name(): string {
    return this.#channel.name;
  }

  set name(name: string) {
    this.#channel.name = name;
  }

  get pid(): number {
    return this.#channel.pid;
  }

  /** Ends the process; its namespace goes with it. */
  stop(): Promise<void> {
    return this.#channel.stop();
  }

  /** Moves the process into a fresh namespace; links, rules, sockets, caches of the old one are gone. */
  async renew(): Promise<void> {
    await this.#channel.request('renew');
  }

  /** Sends and captures there from now on. With `outgoing` also what the node itself sends, except by `send`. */
  async open(ifname: string, outgoing = false): Promise<void> {
    await this.#channel.request('open', { ifname, outgoing });
  }

  /** On interfaces that were opened, in this order, `gapMs` apart. */
  async send(frames: readonly Frame[], gapMs = 0): Promise<void> {
    const hex = frames.map(({ ifname, bytes }) => ({ ifname, hex: Buffer.from(bytes).toString('hex') }));
    await this.#channel.request('send', { frames: hex, gap_ms: gapMs }, { timeoutMs: 10_000 + gapMs * frames.length });
  }

  /** What came since the last call, in order of arrival. */
  async captured(): Promise<Captured> {
    const answer = await this.#channel.request('captured');
    const frames = answer.frames as readonly { ifname: string; hex: string; us: number }[];
    return {
      frames: frames.map(({ ifname, hex, us }) => ({ ifname, bytes: Buffer.from(hex, 'hex'), us })),
      dropped: Number(answer.dropped),
    };
  }

  /** Until that many frames wait for `captured`, or the time is over; gives how many do. */
  async waitForFrames(count: number, patience: Patience = {}): Promise<number> {
    return Number((await this.#channel.request('wait', { count }, patience)).count);
  }

  /** @throws HostError 'tool-missing', 'command-timeout', 'cancelled'; a bad status is a result */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    const { input = '', ...patience } = options;
    const { status, stdout, stderr } = await this.#channel.request('run', { argv, input }, patience);
    return { status: Number(status), stdout: String(stdout), stderr: String(stderr) };
  }

  /** The stdout of a command that must succeed. @throws HostError as `run`, and 'command-failed' */
  async output(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(argv, options);
    if (status === 0) return stdout;
    throw new HostError('command-failed', `${this.name}: ${argv.join(' ')}: ${stderr.trim() || `status ${status}`}`);
  }

  /** The ARP and NDP cache, entries without a MAC included. */
  async neighbours(): Promise<readonly Neighbour[]> {
    const rows = JSON.parse((await this.output(['ip', '-j', 'neigh', 'show'])) || '[]');
    return rows.flatMap((row: { dst: string; dev: string; lladdr?: string; state?: string[] }) => {
      const address = parseIp(row.dst);
      const mac = parseMac(row.lladdr ?? '');
      if (address === undefined) return [];
      return [{ ifname: row.dev, address, states: row.state ?? [], ...(mac !== undefined && { mac }) }];
    });
  }

  async ping(echo: EchoRequest, patience: Patience = {}): Promise<PingResult> {
    const answer = await this.#channel.request('ping', { ...echo, address: printIp(echo.address) }, patience);
    return {
      answered: answer.answered === true,
      ...(typeof answer.rtt_us === 'number' && { rttUs: answer.rtt_us }),
      ...(typeof answer.refused === 'string' && { refused: answer.refused }),
    };
  }

  /** Accepts from now on and echoes what it is sent. Gives the port: 0 takes a free one. */
  async tcpServe(port: number): Promise<number> {
    return Number((await this.#channel.request('tcp-serve', { port })).port);
  }

  /** Opens a connection and resets it at once. */
  async tcpConnect(connection: Connection, patience: Patience = {}): Promise<ConnectResult> {
    return (await this.#channel.request('tcp-connect', wire(connection), patience)).result as ConnectResult;
  }

  /** One datagram from a port of ours; `refused` when an ICMP error about it comes back in time. */
  async udpSend(connection: Required<Connection>, patience: Patience = {}): Promise<'silent' | 'refused'> {
    return (await this.#channel.request('udp-send', wire(connection), patience)).result as 'silent' | 'refused';
  }

  /** A connection that stays open, or why there is none. */
  async tcpFlow(connection: Connection, patience: Patience = {}): Promise<Flow | Exclude<ConnectResult, 'connected'>> {
    const { result, flow, sport } = await this.#channel.request('tcp-flow', wire(connection), patience);
    if (result !== 'connected') return result as Exclude<ConnectResult, 'connected'>;
    return { id: Number(flow), sport: Number(sport) };
  }

  /** What came back: waits for as many bytes as were sent, for the end of the flow or of the time. */
  async tcpFlowSend(
    flow: Flow,
    bytes: Uint8Array,
    patience: Patience = {},
  ): Promise<{ readonly bytes: Uint8Array; readonly closed: boolean }> {
    const hex = Buffer.from(bytes).toString('hex');
    const answer = await this.#channel.request('tcp-flow-send', { flow: flow.id, hex }, patience);
    return { bytes: Buffer.from(String(answer.hex), 'hex'), closed: answer.closed === true };
  }

  async tcpFlowClose(flow: Flow): Promise<void> {
    await this.#channel.request('tcp-flow-close', { flow: flow.id });
  }

  /** Dots or slashes, as sysctl(8). @throws HostError 'unknown-sysctl' */
  async sysctl(name: string): Promise<string> {
    return String((await this.#channel.request('sysctl', { name })).value);
  }

  /** In this order; stops at the first that fails. @throws HostError 'unknown-sysctl', 'sysctl-refused' */
  async setSysctls(values: Readonly<Record<string, string>>): Promise<void> {
    await this.#channel.request('sysctls', { values: Object.entries(values) });
  }
}

function wire(connection: Connection): object {
  return { ...connection, address: printIp(connection.address) };
}
