// The supervisor on its thread: what reaches it by ports becomes commands of the actor.
import type { MessagePort } from 'node:worker_threads';
import { ActorReference, exposeActor } from '../actor/remote.js';
import { ViewReader } from '../actor/view.js';
import { assertNever } from '../base/assert.js';
import type { MetricsSource } from '../base/metric.js';
import type { LogRecovery } from '../log/open-log.js';
import type {
  InspectDetail,
  PartitionCommand,
  PartitionEvent,
  PartitionReply,
} from '../partition/messages.js';
import type { CoordinatorMessage } from './coordinator-channel.js';
import type { CoordinatorThreadOptions } from './coordinator-thread.js';
import { inspectWorkers, workerLabel } from './inspect-workers.js';
import { LateCoordinators } from './late-coordinators.js';
import type { SupervisorCommand, SupervisorReply } from './messages.js';
import { OWN_WORKER, type PartitionWorker } from './placement.js';
import { type StartOptions, startSupervisor } from './start-supervisor.js';
import type { SupervisorActor } from './supervisor.js';
import type { SupervisorThreadCommand, SupervisorThreadReply } from './worker-data.js';

interface Worker extends PartitionWorker {
  readonly views: Int32Array;
  readonly reference: ActorReference<PartitionCommand, PartitionReply>;
  readonly port: MessagePort;
}

export type SupervisorThreadOptions = Omit<StartOptions, 'publishedBy'> & CoordinatorThreadOptions;

export class SupervisorThread {
  readonly #options: SupervisorThreadOptions;
  readonly #coordinators: LateCoordinators;
  readonly #sources: MetricsSource[];
  #supervisor: SupervisorActor | null = null;
  readonly #workers = new Map<number, Worker>();

  /** `sources` are what is counted on this thread. */
  constructor(options: SupervisorThreadOptions, sources: readonly MetricsSource[] = []) {
    this.#options = options;
    this.#coordinators = new LateCoordinators(options);
    this.#sources = [...sources, this.#coordinators];
  }

  receive(command: SupervisorThreadCommand, reply: (reply: SupervisorThreadReply) => void): void {
    if (command.type === 'start') {
      this.#start(reply);
      return;
    }
    if (command.type === 'inspect') {
      this.#inspect(command.detail, reply);
      return;
    }
    const supervisor = this.#supervisor;
    if (!supervisor) {
      reply({ type: 'not-started', reason: 'the supervisor has not started' });
      return;
    }
    switch (command.type) {
      case 'command':
        this.#command(supervisor, command.command, reply);
        return;
      case 'worker-started':
        this.#workerStarted(supervisor, command.worker, command.views, command.port);
        reply({ type: 'done' });
        return;
      case 'worker-exited': {
        const worker = this.#workers.get(command.worker);
        // First, so that what was under way is opened again instead of failing.
        supervisor.workerExited(command.worker, command.reason);
        worker?.reference.close('the worker has died');
        worker?.port.close();
        if (this.#workers.get(command.worker) === worker) this.#workers.delete(command.worker);
        reply({ type: 'done' });
        return;
      }
      default:
        assertNever(command);
    }
  }

  /** Commands of groups. */
  coordinate(message: CoordinatorMessage): void {
    this.#coordinators.receive(message);
  }

  #command(
    supervisor: SupervisorActor,
    command: SupervisorCommand,
    reply: (reply: SupervisorReply) => void,
  ): void {
    // What coordinators have appended must be in the log before that is closed.
    if (command.type === 'stop') this.#coordinators.close(() => supervisor.receive(command, reply));
    else supervisor.receive(command, reply);
  }

  #start(reply: (reply: SupervisorThreadReply) => void): void {
    const publishedBy = (index: number, slot: number, generation: number) =>
      this.#published(index, slot, generation);
    const tell: StartOptions['tell'] = (event) => this.#coordinators.tell(event);
    startSupervisor({ ...this.#options, tell, publishedBy }, (result) => {
      if (result instanceof Error) {
        reply({ type: 'not-started', reason: result.message });
        return;
      }
      this.#supervisor = result.supervisor;
      this.#coordinators.start(result.supervisor, result.data);
      reply({ type: 'started', clusterId: result.clusterId, unclean: result.data.unclean });
    });
  }

  #workerStarted(supervisor: SupervisorActor, index: number, views: Int32Array, port: MessagePort): void {
    const { clock } = this.#options;
    const reference = new ActorReference<PartitionCommand, PartitionReply>(port, clock);
    exposeActor<PartitionEvent, null>(port, (event, reply) => {
      supervisor.workerTold(event);
      reply(null);
    });
    const worker: Worker = {
      views,
      reference,
      port,
      ask: (command, deadlineMs, answer) =>
        reference.ask(command, deadlineMs, (reply, failure) =>
          answer(reply ?? { type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail: failure }),
        ),
    };
    this.#workers.set(index, worker);
    supervisor.workerStarted(index, worker);
  }

  #inspect(detail: InspectDetail, reply: (reply: SupervisorThreadReply) => void): void {
    const { worker: own } = this.#coordinators;
    const workers = new Map<number, PartitionWorker>(own ? [[OWN_WORKER, own]] : []);
    for (const [index, worker] of this.#workers) workers.set(index, worker);
    inspectWorkers(workers, detail, (reports) => {
      const samples = detail === 'none' ? [] : this.#sources.flatMap((source) => source.samples());
      const [mine, others] = own ? [reports[0], reports.slice(1)] : [undefined, reports];
      const supervisor = {
        thread: workerLabel(OWN_WORKER),
        responding: mine?.responding ?? true,
        logsOffline: (mine?.logsOffline ?? 0) + (this.#supervisor?.logsOffline ?? 0),
        samples: [...samples, ...(mine?.samples ?? [])],
      };
      const { recovering = 0, recoveringBytes = 0 } = this.#supervisor ?? {};
      const directories = this.#supervisor?.directories ?? [];
      reply({
        type: 'inspected',
        threads: [supervisor, ...others],
        recovering,
        recoveringBytes,
        directories,
      });
    });
  }

  /** The views outlive the worker that wrote them: what it had published is valid in the files. */
  #published(index: number, slot: number, generation: number): LogRecovery | null {
    const worker = this.#workers.get(index);
    const published = worker ? new ViewReader(worker.views, slot, generation).read() : null;
    if (!published) return null;
    return {
      type: 'worker-died',
      segmentBaseOffset: published.segmentBaseOffset,
      bytes: published.segmentBytes,
    };
  }
}
