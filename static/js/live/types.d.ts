/**
 * What the server sends: the data of every frame and the answers of the API. `tests/test_shapes.py` holds these
 * interfaces against what a running server really says, field by field, so they may be trusted.
 *
 * Times are RFC 3339 in UTC with nine decimals unless a name ends in a unit.
 */

/** A moment on the wire: `2026-11-23T14:22:05.123456789Z`. */
export type Time = string;

export type ConnectionState = "open" | "blocked" | "paused" | "closing" | "closed";

/** One event of the log: one visit of the loop to a connection. */
export interface EventRow {
  seq: number;
  time: Time;
  worker: number;
  conn: number;
  peer: string;
  kind: string;
  bytes_in: number;
  bytes_out: number;
  queue_bytes: number;
  queue_chunks: number;
  emptied: boolean;
  reason: string;
}

/** A fault that is or was on a connection. */
export interface FaultMark {
  /** The number of the order. */
  id: number;
  kind: string;
  began: string;
  ended: string | null;
}

/** What is known of a connection wherever it is shown. */
export interface ConnectionFacts {
  conn: number;
  worker: number;
  peer: string;
  state: ConnectionState;
  opened: Time | null;
  closed: Time | null;
  idle_s: number;
  waiting_s: number;
  bytes_in: number;
  bytes_out: number;
  echoes: number;
  fulls: number;
  queue_bytes: number;
  queue_chunks: number;
  queue_peak_bytes: number;
  reason: string;
  /** The proxy that named the client; "" for a direct connection. */
  via: string;
  /** What the PROXY header said; only where there is a `via`. */
  proxy?: Record<string, string | number>;
  /** What was agreed on; only where the connection is encrypted. */
  tls?: { version: string; cipher: string; sni: string; alpn: string };
  /** "" while it is open, else "ordinary", "abnormal", or "probe": no byte either way. */
  end: string;
  bytes_in_per_s: number;
  bytes_out_per_s: number;
  /** Age of the kernel's sample that the verdict of a list rests on; null: it rests on the record alone. */
  verdict_age_s: number | null;
  /** Those that are on it and were, in the order in which they began. */
  faults: FaultMark[];
}

/** One connection of a list. */
export interface ConnectionItem extends ConnectionFacts {
  /** The code of its verdict. */
  verdict: string;
}

/** Who holds a connection up, and what that rests on. */
export interface Verdict {
  code: string;
  sentence: string;
  evidence: string[];
}

/** What the kernel says: facts by the names of core/watch/kernel/facts.py, and which of them look suspicious (core/watch/kernel/suspicion.py). */
export interface KernelSample {
  age_s: number;
  facts: Record<string, number | string | null>;
  suspects: string[];
}

/** Bytes of queued reply above which reading stops, and at which it is taken up again. */
export interface Marks {
  high: number;
  low: number;
}

/** Everything known of one connection. */
export interface ConnectionDetail extends ConnectionFacts {
  history: EventRow[];
  events_in_memory: number;
  marks: Marks | null;
  kernel: KernelSample | null;
  verdict: Verdict;
  at?: Time;
}

/** What is said of a connection at a moment at which it is not known. */
export interface UnknownConnection {
  conn: number;
  state: null;
  at: Time;
}

export interface StuckConnection extends ConnectionFacts {
  verdict: Verdict;
}

export interface Connections {
  total: number;
  matched: number;
  items: ConnectionItem[];
  counts: StateCounts;
  at?: Time;
}

/** How many connections are in each state, and how many of the closed ones ended abnormally. */
export interface StateCounts {
  open: number;
  blocked: number;
  paused: number;
  closing: number;
  closed: number;
  abnormal: number;
  probe: number;
}

export interface ConnectionCounts {
  open: number;
  blocked: number;
  accepted: number;
  closed: number;
  refused: number;
}

export interface QueueFigures {
  bytes: number;
  chunks: number;
  max_bytes: number;
}

export interface Dropped {
  segments: number;
  events: number;
  bytes: number;
  until: Time | null;
}

export interface RecorderFigures {
  events: number;
  lost: number;
  lag_ms: number | null;
  log_bytes: number | null;
  dropped: Dropped;
  damaged: string;
  /** Events that are in no figure: they were overwritten before they were read, and the log has not got them either. */
  skipped: number | null;
}

export interface Address {
  host: string;
  port: number;
}

export interface AcceptQueue {
  length: number;
  limit: number;
}

/** The figures of the whole server. What only a running one can tell is missing or null in the past. */
export interface Status {
  name: string;
  version: string;
  replay: boolean;
  uptime_s: number;
  model: string | null;
  reply: string | null;
  workers: number | null;
  echo: Address | null;
  marks: Marks | null;
  connections: ConnectionCounts;
  bytes_in: number;
  bytes_out: number;
  echoes: number;
  queue: QueueFigures;
  recorder: RecorderFigures;
  viewers: number | null;
  accept_queue?: AcceptQueue;
  at?: Time;
}

export interface Overview extends Status {
  echoes_per_s: number | null;
  bytes_in_per_s: number | null;
  bytes_out_per_s: number | null;
  loop_busy: number | null;
  attention: StuckConnection[];
  notable: EventRow[];
  time: Time;
  healthy: boolean | null;
  trouble: string;
  end?: boolean;
}

/** All open connections; `cells` is base64 of deflated bytes, see core/watch/now/map_cells.py. */
export interface MapFrame {
  total: number;
  sort: string;
  states: Record<string, number>;
  cells: string;
  at?: Time;
}

/** New rows of the live tail, newest last; `skipped` of them were left out. `marks`: places of the items that match the mark. */
export interface EventsFrame {
  items: EventRow[];
  skipped: number;
  marks?: number[];
  skipped_marks?: number;
  at?: Time;
  end?: boolean;
}

/** What half, nine of ten, 99 of 100 and all stay under; null: there were none. */
export interface Spread {
  p50: number | null;
  p90: number | null;
  p99: number | null;
  max: number | null;
}

export interface ReadySpread extends Spread {
  histogram: [number, number][];
}

/** Turns of a loop, in columns, oldest first; null where the parts of a turn were not measured. */
export interface TurnColumns {
  time: number[];
  wait_us: number[];
  busy_us: number[];
  accept_us: (number | null)[];
  read_us: (number | null)[];
  write_us: (number | null)[];
  ready: number[];
  scanned: number[];
  accepts: number[];
  reads: number[];
  writes: number[];
  eagains: number[];
}

/** Of the turns whose parts were measured: how many, how long in all, of that in each phase, and calls. */
export interface Phases {
  turns: number;
  busy_us: number;
  accept_us: number;
  read_us: number;
  write_us: number;
  accepts: number;
  reads: number;
  writes: number;
}

/** A descriptor of which program and kernel say something else. */
export interface Difference {
  fd: number;
  why: string;
  conn: number;
}

export interface Registrations {
  believed: number;
  watched: number;
  differences: Difference[];
}

export interface LoopItem {
  worker: number;
  beat_age_s: number | null;
  span_s: number;
  turns: number;
  turns_per_s: number;
  busy: number;
  wait_us: Spread;
  busy_us: Spread;
  ready: ReadySpread;
  scanned_per_ready: number | null;
  calls_per_s: Record<string, number>;
  phases: Phases;
  latest: TurnColumns;
  measured: TurnColumns;
  accept_queue: AcceptQueue | null;
  registrations: Registrations | null;
  report_age_s: number;
}

export interface LoopFrame {
  time: Time;
  model: string;
  models: string[];
  workers: LoopItem[];
}

/** How far a long read of the log has come, in rows. */
export interface PageProgress {
  scanned: number;
  total: number;
}

export interface EventsPage {
  items: EventRow[];
  next: string | null;
  progress: PageProgress;
  marks?: number[];
}

export interface HistogramPage {
  since: Time;
  until: Time;
  step_s: number;
  kinds: Record<string, number[]>;
  total: number;
  progress: PageProgress;
  next: string | null;
}

export interface Estimate {
  rows: number;
  bytes: number;
  exact: boolean;
  name: string;
}

export interface EstimateOfTransfer {
  rows: number;
  bytes: number;
  exact: boolean;
}

/** How a download is doing. */
export interface TransferAnswer {
  token: string;
  state: "running" | "done" | "failed" | "cancelled" | "refused";
  rows: number;
  bytes: number;
  estimate: EstimateOfTransfer | null;
  elapsed_s: number;
  name: string;
  reason: string;
}

/** The charts' history: columns of equal length, null where nothing is known. */
export interface SeriesAnswer {
  range: number;
  step: number;
  time: number[];
  echoes_per_s: (number | null)[];
  bytes_in_per_s: (number | null)[];
  bytes_out_per_s: (number | null)[];
  accepted_per_s: (number | null)[];
  closed_per_s: (number | null)[];
  open: (number | null)[];
  blocked: (number | null)[];
  queue_bytes: (number | null)[];
  loop_busy: (number | null)[];
  at?: Time;
}

/** The charts of one connection: steps from the oldest on, null where nothing is known. */
export interface CourseAnswer {
  step: number;
  time: number[];
  queue_bytes: (number | null)[];
  bytes_in_per_s: (number | null)[];
  bytes_out_per_s: (number | null)[];
  is_whole: boolean;
}

/** A value that a filter may name, and what it stands for. */
export interface FieldValue {
  value: string;
  meaning: string;
}

/** A field of a filter; `live`: the values of now can be asked for. */
export interface FilterField {
  name: string;
  type: string;
  unit: string;
  units: string[];
  meaning: string;
  operators: string[];
  values: FieldValue[];
  examples: string[];
  live: boolean;
}

export interface FieldsAnswer {
  of: string;
  fields: FilterField[];
}

export interface ValuesAnswer {
  values: FieldValue[];
  at?: Time;
}

/** What the log holds. */
export interface SpanAnswer {
  since: Time;
  until: Time;
  live: boolean;
}

/** A client that behaves badly on purpose, and what to expect of the server. */
export interface ZooAnimal {
  name: string;
  title: string;
  does: string;
  page: string;
  watch: string;
  count: number;
  most: number;
  seconds: number;
  expects: ZooSignature;
}

export interface ZooSignature {
  kinds: string[];
  reason: string;
  states: string[];
  verdicts: string[];
}

/** The animal that is out. */
export interface ZooRunning {
  name: string;
  model: string;
  count: number;
  seconds: number;
  began: Time;
  left_s: number;
  stage: string;
  connections: number;
  sent: number;
  received: number;
  states: string[];
  verdicts: string[];
  sentence: string;
  conns: number[];
  since: Time;
  notes: string[];
}

/** `met` is null where nothing could be looked at. */
export interface ZooExpectation {
  name: string;
  wanted: string;
  met: boolean | null;
  seen: string;
}

export interface ZooConnection {
  conn: number;
  peer: string;
  sent: number;
  received: number;
  echoed: number;
  messages: number;
  sentence: string;
}

/** What was seen of an animal; `error` says why nothing was checked. */
export interface ZooResult {
  name: string;
  model: string;
  count: number;
  seconds: number;
  began: Time;
  took_s: number;
  met: boolean;
  expectations: ZooExpectation[];
  notes: string[];
  q: string;
  since: Time;
  connections: ZooConnection[];
  error: string;
}

export interface Zoo {
  animals: ZooAnimal[];
  running: ZooRunning | null;
  results: Record<string, ZooResult>;
  busy: string;
  refusal: string;
}

/** What the lab shall measure. */
export interface LabOrder {
  models: string[];
  workers: number[];
  idle: number[];
  active: number;
  size: number;
  depth: number;
  seconds: number;
  repeats: number;
  seed: number;
}

export type LabState = "running" | "done" | "cancelled" | "failed" | "interrupted";

/** How far a run of the lab is: measurements `done` of `total`, and which is being made. */
export interface LabProgress {
  id: string;
  state: LabState;
  done: number;
  total: number;
  doing: string;
  repeat: number;
  model: string;
  workers: number;
  idle: number;
  elapsed_s: number;
  left_s: number;
}

/** What keeps the machine to itself: a run of the lab or an animal of the zoo. */
export interface LabBusy {
  what: string;
  since: number;
  seconds: number | null;
}

/** `changes` counts up whenever there is something new among the runs. */
export interface LabFrame {
  running: LabProgress | null;
  busy: LabBusy | null;
  changes: number;
}

export interface LabMetric {
  label: string;
  unit: string;
  more: boolean | null;
  meaning: string;
}

export interface LabOptions extends LabFrame {
  models: string[];
  references: string[];
  defaults: LabOrder;
  presets: Record<string, LabOrder>;
  metrics: Record<string, LabMetric>;
  machine: Record<string, string | number | null>;
}

export interface LabEstimate {
  seconds: number;
  measurements: number;
  order: LabOrder;
}

/** The repeats of a figure: their median, the lowest and the highest. */
export interface LabSpread {
  median: number;
  low: number;
  high: number;
}

/** A model with a number of idle connections, measured several times, or why it could not be. */
export interface LabPoint {
  model: string;
  workers: number;
  idle: number;
  repeats: number;
  served: number;
  errors: number;
  cannot: string;
  failed: string;
  figures: Record<string, LabSpread | null>;
}

export interface LabSentence {
  code: string;
  text: string;
}

export interface LabHead {
  id: string;
  state: LabState;
  began: string;
  ended: string | null;
  order: LabOrder;
}

/** One measurement: its figures, or why there are none. */
export interface LabSample {
  model: string;
  workers: number;
  idle: number;
  repeat: number;
  figures?: Record<string, number | null>;
  served?: number;
  errors?: number;
  error?: string;
  lost?: number;
  cannot?: string;
  failed?: string;
}

export interface LabRun extends LabHead {
  error: string;
  machine: Record<string, string | number | null>;
  samples: LabSample[];
  points: LabPoint[];
  verdict: LabSentence[];
}

export interface LabDifference {
  before: LabSpread;
  after: LabSpread;
  change: number | null;
  noise: boolean;
}

export interface LabComparedPoint {
  model: string;
  workers: number;
  idle: number;
  figures: Record<string, LabDifference>;
}

/** What two runs were asked, or were made on, that is not the same. */
export interface LabApart {
  name: string;
  before: string | number | null;
  after: string | number | null;
}

export interface LabPlace {
  model: string;
  workers: number;
  idle: number;
}

export interface LabComparison {
  points: LabComparedPoint[];
  apart: LabApart[];
  missing: LabPlace[];
}

/** What someone ordered, and what came of it: `result` is empty until that is known. */
export interface OrderRecord {
  number: number;
  time: Time;
  who: string;
  role: string;
  from: string;
  what: string;
  on: Record<string, string | number>;
  why: string;
  result: string;
}

export interface OrdersPage {
  items: OrderRecord[];
  next: number | null;
}

/** A fault that is on; the attributes of its kind stand beside these. */
export interface ArmedFault {
  id: number;
  kind: string;
  on: Record<string, string | number>;
  seconds: number;
  why: string;
  who: string;
  matched: number;
  began: Time;
  ends: Time;
}

/** The data of the frames of each view; `error` instead of them when the past can no longer be told. */
export interface Frames {
  overview: Overview;
  connections: Connections;
  connection: ConnectionDetail | UnknownConnection;
  events: EventsFrame;
  loop: LoopFrame;
  map: MapFrame;
  lab: LabFrame;
}

/** What the paths of the API answer. */
export interface Answers {
  status: Status;
  overview: Overview;
  span: SpanAnswer;
  fields: FieldsAnswer;
  "fields/values": ValuesAnswer;
  connections: Connections;
  events: EventsPage;
  "events/histogram": HistogramPage;
  "events/estimate": Estimate;
  series: SeriesAnswer;
  loop: LoopFrame;
  zoo: Zoo;
  orders: OrdersPage;
  faults: { items: ArmedFault[] };
  lab: LabOptions;
  "lab/estimate": LabEstimate;
  "lab/runs": { items: LabHead[] };
}

export type Answer<Path extends string> = Path extends keyof Answers
  ? Answers[Path]
  : Path extends `downloads/${string}`
    ? TransferAnswer
    : Path extends `lab/runs/${string}/compare`
    ? LabComparison
    : Path extends `lab/runs/${string}`
    ? LabRun
    : Path extends `connections/${string}/series`
    ? CourseAnswer
    : Path extends `connections/${string}`
      ? ConnectionDetail
      : unknown;
