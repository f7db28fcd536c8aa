// Made from src/gearscope/web/schemas.py by `make types`; edit there, not here.

export interface About {
  version: string;
  model: string;
  basis: string;
  /** Whether the model is in memory yet. */
  loaded: boolean;
  prompt_characters: number;
}

export interface Agreement {
  /** Nodes and tokens with a predicted and a measured change. */
  rows: number;
  /** Rank correlation of predicted and measured; None when there are fewer than three rows or no variation. */
  spearman: number | null;
  /** The same against the control's changes, the mean over its draws: what agreement a random edit would show. */
  spearman_control: number | null;
  /** Mean absolute measured change over the rows. */
  size: number;
  /** The same of the control, the mean over its draws. */
  size_control: number;
  /** Share of the rows with equal signs. */
  sign_agreement: number | null;
  /** KL divergence in nats of the next-token distribution after the edits from the one before. */
  kl: number;
  kl_control: number;
  kl_control_std: number;
}

export interface Answer {
  token: string;
  probability: number | null;
}

export interface BadFile {
  name: string;
  error: string;
}

export interface Boxes {
  boxes: string[][];
  node?: number;
  edge?: number;
}

export interface Card {
  id: string;
  /** The file's name. */
  name: string;
  prompt: string;
  tokens: string[];
  answers: Answer[];
  model: string;
  basis: string;
  n_nodes: number;
  n_links: number;
  replacement: Interval | null;
  completeness: Interval | null;
  /** Seconds since 1970. */
  modified: number;
}

export interface Connection {
  id: string;
  kind: "feature" | "error" | "token" | "position" | "first" | "bias" | "target";
  position: number;
  name: string;
  label: string;
  raises: string[];
  weight: number;
  share: number;
}

export interface EditedFeature {
  /** Its node; None when it is not a node of the graph (brought in by a swap). */
  node_id: string | null;
  /** `L/F@P`. */
  name: string;
  layer: number;
  position: number;
  /** Activation on the prompt. */
  before: number;
  /** Activation that it was edited to. */
  after: number;
  /** Norm of what the edit adds to the MLP outputs, over all layers that the feature writes to. */
  written_norm: number;
}

export interface Effect {
  token: string;
  change: number;
}

export interface Flow {
  source: number;
  target: number;
  share: number;
}

export interface Forms {
  as_published: Interval;
  without_constants: Interval;
  constants_unexplained: Interval;
}

export interface Generated {
  before: string;
  after: string;
}

export interface GraphView {
  card: Card;
  thresholds: Thresholds;
  n_nodes: number;
  /** What these thresholds keep; fewer may be sent. */
  n_links: number;
  nodes: Node[];
  links: Links;
  whole: WholeScores | null;
  shown: ShownScores | null;
  /** Share of the targets' input from constants and from what is not in the view. */
  unattributed: number;
  pinned: string[];
  groups: Group[];
  /** Whether the server's model and basis are those the graph was traced with. */
  traced_here: boolean;
}

export interface Group {
  name: string;
  ids: string[];
}

export interface Interval {
  low: number;
  high: number;
}

export interface InterveneIn {
  edits: string[];
  mode?: "direct" | "constrained" | "free";
  freeze_to?: number | null;
  generate?: number;
  seed?: number;
  groups?: Group[];
}

export interface Intervention {
  format_version?: 1;
  model: string;
  basis: string;
  prompt: string;
  tokens: string[];
  /** The edits as they were understood, in their text form. */
  edits: string[];
  /** `direct`: all frozen; `constrained`: MLPs held up to a layer, later ones live; `free`: all live. */
  mode: "direct" | "constrained" | "free";
  /** Constrained: norm scales were held too. */
  hold_norms: boolean;
  /** The last layer whose MLP output was held; None when none was. */
  freeze_to: number | null;
  seed: number;
  /** How many random draws the control was averaged over. */
  controls: number;
  edited: EditedFeature[];
  /** Watched nodes, in the order of the graph. */
  nodes: NodeRow[];
  /** The graph's target tokens, then the likely ones before and after the edits. */
  next_tokens: TokenRow[];
  agreement: Agreement;
  generated?: Generated | null;
  warnings?: string[];
}

export interface Job {
  what: string;
  phrase: string;
  count: number;
}

export interface Links {
  source: number[];
  target: number[];
  weight: number[];
  /** Share of the target's absolute input. */
  share: number[];
}

export interface Node {
  id: string;
  kind: "feature" | "error" | "token" | "position" | "first" | "bias" | "target";
  layer: number;
  position: number;
  /** `3/388@6`, a token, an answer: what a reader calls it. */
  name: string;
  /** What a person or a program wrote on it; may be empty. */
  label: string;
  activation: number | null;
  probability: number | null;
  /** What its inputs sum to. */
  value: number | null;
  /** Share of the targets' influence that flows through it. */
  influence: number | null;
  /** Share held by it and the stronger nodes: small is strong. */
  cumulative: number | null;
  /** Tokens that it promotes most. */
  raises: string[];
  lowers: string[];
}

export interface NodeRow {
  node_id: string;
  /** `L/F@P` of a feature; the label of a target that is no token. */
  name: string;
  layer: number;
  position: number;
  /** Its value on the prompt. */
  before: number;
  activation_before: number | null;
  /** Activations; None for what has none. */
  activation_after: number | null;
  predicted: number;
  measured: number;
  control: number;
  control_std: number;
}

export interface NodeView {
  node: Node;
  inputs: Connection[];
  outputs: Connection[];
  n_inputs: number;
  n_outputs: number;
  mass: number;
  rest_sum: number;
  rest_share: number;
  promoted: Effect[];
  suppressed: Effect[];
}

export interface NotesIn {
  pinned: string[];
  groups: Group[];
  labels?: Record<string, string>;
  /** The card's time: refused when the file has changed since. */
  modified: number;
}

export interface Problem {
  error: string;
}

export interface Shelf {
  place: string;
  graphs: Card[];
  unreadable: BadFile[];
  /** Files beyond the largest number that is listed. */
  left_out: number;
}

export interface ShownScores {
  replacement: number;
  completeness: number;
}

export interface Thresholds {
  node: number;
  edge: number;
  most_node: number;
  most_edge: number;
}

export interface TokenRow {
  token: string;
  token_id: number;
  /** Its node; None for a token that the graph does not explain. */
  node_id: string | null;
  position: number;
  probability_before: number;
  probability_after: number;
  /** Demeaned, before a soft-cap: the value of its node. */
  logit_before: number;
  predicted: number;
  /** Changes of that logit. */
  measured: number;
  control: number;
  control_std: number;
}

export interface TraceIn {
  prompt: string;
  target?: string | null;
  against?: string | null;
}

export interface WholeScores {
  replacement: Forms;
  completeness: Forms;
  /** Share of the targets' influence that ends in features whose inputs were not traced. */
  unexpanded: number;
}
