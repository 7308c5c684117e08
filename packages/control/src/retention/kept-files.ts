/** Folders of one server that outlive what made them. Paths stay the doing layer's. */
export interface FoundFolder {
  readonly id: string;
  readonly modifiedMs: number;
}

export interface KeptFiles {
  /** Run folders by the id of their job or replica. */
  runs(): Promise<readonly FoundFolder[]>;
  /** Answers the bytes freed, or undefined when there was nothing of these names. */
  removeFromRun(jobId: string, names: readonly string[]): Promise<number | undefined>;
  /** Model versions laid out for engines, by the id of the version. */
  modelCaches(): Promise<readonly FoundFolder[]>;
  removeModelCache(versionId: string): Promise<number>;
}
