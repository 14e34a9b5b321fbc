// The supervisor on its thread: what reaches it by ports becomes commands of the actor.
import type { MessagePort } from 'node:worker_threads';
import { ActorReference, exposeActor } from '../actor/remote.js';
import { ViewReader } from '../actor/view.js';
import { assertNever } from '../base/assert.js';
import type { LogRecovery } from '../log/open-log.js';
import type { PartitionCommand, PartitionEvent, PartitionReply } from '../partition/messages.js';
import { type StartOptions, startSupervisor } from './start-supervisor.js';
import type { SupervisorActor } from './supervisor.js';
import type { SupervisorThreadCommand, SupervisorThreadReply } from './worker-data.js';

interface Worker {
  readonly views: Int32Array;
  readonly reference: ActorReference<PartitionCommand, PartitionReply>;
  readonly port: MessagePort;
}

export class SupervisorThread {
  readonly #options: Omit<StartOptions, 'publishedBy'>;
  #supervisor: SupervisorActor | null = null;
  readonly #workers = new Map<number, Worker>();

  constructor(options: Omit<StartOptions, 'publishedBy'>) {
    this.#options = options;
  }

  receive(command: SupervisorThreadCommand, reply: (reply: SupervisorThreadReply) => void): void {
    if (command.type === 'start') {
      this.#start(reply);
      return;
    }
    const supervisor = this.#supervisor;
    if (!supervisor) {
      reply({ type: 'not-started', reason: 'the supervisor has not started' });
      return;
    }
    switch (command.type) {
      case 'command':
        supervisor.receive(command.command, reply);
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

  #start(reply: (reply: SupervisorThreadReply) => void): void {
    const publishedBy = (index: number, slot: number, generation: number) =>
      this.#published(index, slot, generation);
    startSupervisor({ ...this.#options, publishedBy }, (result) => {
      if (result instanceof Error) {
        reply({ type: 'not-started', reason: result.message });
        return;
      }
      this.#supervisor = result.supervisor;
      reply({ type: 'started', clusterId: result.clusterId, clean: result.clean });
    });
  }

  #workerStarted(supervisor: SupervisorActor, index: number, views: Int32Array, port: MessagePort): void {
    const { clock } = this.#options;
    const reference = new ActorReference<PartitionCommand, PartitionReply>(port, clock);
    exposeActor<PartitionEvent, null>(port, (event, reply) => {
      supervisor.workerTold(event);
      reply(null);
    });
    this.#workers.set(index, { views, reference, port });
    supervisor.workerStarted(index, {
      ask: (command, deadlineMs, answer) =>
        reference.ask(command, deadlineMs, (reply, failure) =>
          answer(reply ?? { type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail: failure }),
        ),
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
