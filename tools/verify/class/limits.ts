// What one submission may take. Everything beyond costs its own points, and nobody else's.
const MiB = 1024 * 1024;

export const limits = {
  /** The folder itself, its repository included. */
  entries: 50_000,
  bytes: 300 * MiB,

  /** Its stack: containers and networks in all; memory, processes and CPU of each container. */
  containers: 12,
  trialContainers: 25, // two for each health check, and one that answers
  networks: 8,
  memoryBytes: 512 * MiB,
  processes: 256,
  cpus: 1,
  /** The largest file that a container may write, and all that a submission may write. */
  fileBytes: 1024 * MiB,
  diskBytes: 3 * 1024 * MiB, // by default
  /** The log of each container: two files of this size. */
  logSize: '1m',

  /** All RUN instructions that its builds have under way. */
  buildMemoryBytes: 1536 * MiB,
  buildProcesses: 1024,

  /** Milliseconds for each phase: bounds for what hangs, far above what a stack needs. */
  configMs: 20_000,
  buildMs: 240_000, // by default
  upMs: 180_000,
  judgeMs: 180_000,
  destructiveMs: 600_000,
  removeMs: 120_000,

  /** When the engine has less space than this, the submissions under way end. */
  freeBytes: 2 * 1024 * MiB,
} as const;
