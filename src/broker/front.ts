// What stands between clients and partitions. The composition root loads it while the supervisor's thread starts, so that the
// two share the time.
export { HealthServer } from './http/health.js';
export { FetchSessions } from './kafka/fetch-sessions.js';
export { KafkaDoor } from './kafka/kafka-door.js';
export { NativeDoor } from './native/native-door.js';
export { ReadBuffer } from './read-buffer.js';
export { Router } from './router.js';
