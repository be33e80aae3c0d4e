// A Service Bus namespace for tests, with the parts of it that a receiver in peek-lock mode and a sender
// meet: claims put to $cbs and checked, links refused without them, locks with tokens, delivery counts,
// dead-letter queues, and the management links for peeking, renewing locks and settling.
//
// It listens on a free port of 127.0.0.1 without TLS and is told what to do by lines of JSON on stdin, each
// answered by one line on stdout; the first line on stdout names the port. It ends when stdin does, so that
// nothing is left of it whatever becomes of the test.
//
//   node servicebus.js KEY_NAME KEY TOKEN    a key that tokens are signed with, a token of Entra's
'use strict';
const crypto = require('crypto');
const readline = require('readline');
const rhea = require('rhea');

const { types, message } = rhea;
const [keyName, key, bearer] = process.argv.slice(2);
const queues = new Map(); // by lower-case path
const connections = new Set();
const consumers = new Set(); // senders of ours, to receivers of theirs

const find = (path) => queues.get(String(path).toLowerCase());
const error = (condition, description) => ({ condition, description });
const gone = error('com.microsoft:message-lock-lost', 'The lock supplied is invalid.');

class Queue {
  constructor(options) {
    Object.assign(this, { path: '', lock: 0, maxDeliveries: 10, to: [] }, options);
    Object.assign(this, { waiting: [], locked: new Map(), dead: [], sequence: 0, renewed: 0, peak: 0, denied: {} });
  }

  put(msg) {
    this.waiting.push({ msg, count: 0, sequence: ++this.sequence, at: new Date() });
    this.pump();
  }

  // pump sends what waits to whoever has credit.
  pump() {
    for (const c of consumers) {
      if (c.queue !== this) continue;
      while (this.waiting.length && c.unsent() && c.sender.is_open() && c.sender.sendable()) c.give(this.waiting.shift());
    }
  }

  hold(entry, token) {
    this.locked.set(token, entry);
    this.peak = Math.max(this.peak, entry.count + 1);
    if (this.lock) entry.timer = setTimeout(() => this.again(token, 1), this.lock);
  }

  // annotated is a message as it is shown to a receiver.
  annotated({ msg, count, sequence, at }) {
    return {
      ...msg,
      delivery_count: count,
      message_annotations: { 'x-opt-enqueued-time': at, 'x-opt-sequence-number': types.wrap_long(sequence), 'x-opt-locked-until': this.until() },
    };
  }

  until() { return new Date(Date.now() + (this.lock || 60000)); }

  // free ends a lock; undefined if it has been lost.
  free(token) {
    const entry = this.locked.get(token);
    this.locked.delete(token);
    if (entry) clearTimeout(entry.timer);
    return entry;
  }

  renew(token) {
    const entry = this.free(token);
    if (!entry) return undefined;
    this.renewed++;
    this.hold(entry, token);
    return this.until();
  }

  // again makes a message visible; cost is what it adds to its delivery count.
  again(token, cost) {
    const entry = this.free(token);
    if (!entry) return false;
    entry.count += cost;
    if (entry.count >= this.maxDeliveries) this.dead.push(entry);
    else this.waiting.unshift(entry);
    setImmediate(() => this.pump());
    return true;
  }

  bury(token) {
    const entry = this.free(token);
    if (entry) this.dead.push(entry);
    return Boolean(entry);
  }

  state() {
    return { waiting: this.waiting.length, locked: this.locked.size, dead: this.dead.length, renewed: this.renewed, peak: this.peak };
  }
}

// Consumer is one of our ends of a link that somebody receives from.
class Consumer {
  constructor(sender, queue) { Object.assign(this, { sender, queue, pending: 0 }); }

  // unsent: credit counts down only when a transfer is written, which is later.
  unsent() { return this.sender.credit - this.pending > 0; }

  give(entry) {
    const id = crypto.randomBytes(16);
    const token = id.toString('hex');
    // The tag is the lock token as .NET writes a GUID.
    const tag = Buffer.from([id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6], ...id.subarray(8)]);
    this.queue.hold(entry, token);
    const delivery = this.sender.send(this.queue.annotated(entry), tag);
    delivery.token = token;
    this.pending++;
    setImmediate(() => { this.pending--; });
  }
}

// outcomes of a delivery: what the queue does, and the answer to the receiver, which waits for it.
const outcomes = {
  accepted: (q, token) => Boolean(q.free(token)),
  released: (q, token) => q.again(token, 0),
  modified: (q, token) => q.again(token, 1),
  rejected: (q, token) => q.bury(token),
};

// trusted checks a token as the service does: the signature of a SAS and its expiry, or Entra's token.
function trusted(type, token) {
  if (type === 'jwt') return token === bearer;
  const fields = new URLSearchParams(token.replace(/^SharedAccessSignature /, ''));
  const raw = Object.fromEntries(token.replace(/^SharedAccessSignature /, '').split('&').map((f) => [f.slice(0, f.indexOf('=')), f.slice(f.indexOf('=') + 1)]));
  const signature = crypto.createHmac('sha256', key).update(`${raw.sr}\n${raw.se}`).digest('base64');
  return raw.skn === keyName && fields.get('sig') === signature && Number(raw.se) > Date.now() / 1000;
}

// answer replies to a request on a $cbs or $management link.
function answer(connection, request, code, description, body) {
  const reply = connection.replies.get(request.reply_to);
  if (!reply) return;
  reply.send({
    correlation_id: request.message_id, body: body === undefined ? null : body,
    application_properties: { 'status-code': types.wrap_int(code), 'status-description': description },
  });
}

const operations = {
  'com.microsoft:peek-message': (q) => {
    if (!q.waiting.length) return [204, 'nothing there'];
    return [200, 'OK', { messages: [{ message: message.encode(q.annotated(q.waiting[0])) }] }];
  },
  'com.microsoft:renew-lock': (q, body) => {
    const until = body['lock-tokens'].map((t) => q.renew(Buffer.from(t).toString('hex')));
    if (until.includes(undefined)) return [410, gone.description];
    return [200, 'OK', { expirations: types.wrap_array(until.map((t) => t.getTime()), 0x83) }];
  },
  'com.microsoft:update-disposition': (q, body) => {
    const act = { completed: outcomes.accepted, abandoned: outcomes.modified, suspended: outcomes.rejected }[body['disposition-status']];
    return body['lock-tokens'].every((t) => act(q, Buffer.from(t).toString('hex'))) ? [200, 'OK'] : [410, gone.description];
  },
};

function onRequest(connection, address, request) {
  if (address === '$cbs') {
    const p = request.application_properties;
    const good = trusted(p.type, request.body);
    if (good) connection.claims = true;
    return good ? answer(connection, request, 202, 'Accepted') : answer(connection, request, 401, 'InvalidSignature: The token has an invalid signature.');
  }
  const queue = find(address.replace(/\/\$management$/, ''));
  const operation = operations[request.application_properties.operation];
  if (!queue || !operation) return answer(connection, request, 404, 'not found');
  return answer(connection, request, ...operation(queue, request.body));
}

const container = rhea.create_container({ id: 'servicebus' });
container.sasl_server_mechanisms.enable_anonymous();
container.on('connection_open', ({ connection }) => {
  Object.assign(connection, { replies: new Map(), claims: false });
  connections.add(connection);
});
container.on('disconnected', ({ connection }) => {
  connections.delete(connection);
  for (const c of consumers) if (c.sender.connection === connection) consumers.delete(c);
});
container.on('sender_close', ({ sender }) => { for (const c of consumers) if (c.sender === sender) consumers.delete(c); });
for (const event of ['error', 'connection_error', 'protocol_error', 'session_error', 'receiver_error', 'sender_error']) container.on(event, () => {});

// refusal says why a link to a queue may not be.
function refusal(connection, queue, claim) {
  if (!connection.claims || (queue && queue.denied[claim.toLowerCase()])) {
    return error('amqp:unauthorized-access', `Unauthorized access. '${claim}' claim(s) are required to perform this operation.`);
  }
  if (!queue) return error('amqp:not-found', 'The messaging entity could not be found.');
  if (queue.disabled) return error('com.microsoft:entity-disabled', 'The messaging entity is disabled.');
  if (queue.sessions) return error('amqp:not-allowed', 'It is not possible for an entity that requires sessions to create a non-sessionful message receiver.');
  return undefined;
}

function echo(link) {
  const theirs = link.remote.attach;
  link.local.attach.snd_settle_mode = theirs.snd_settle_mode;
  link.local.attach.rcv_settle_mode = theirs.rcv_settle_mode;
  link.set_source({ address: link.source && link.source.address });
  link.set_target({ address: link.target && link.target.address });
}

container.on('sender_open', ({ connection, sender }) => {
  const address = sender.source.address;
  if (address === '$cbs' || address.endsWith('/$management')) {
    echo(sender);
    connection.replies.set(sender.target.address, sender);
    return;
  }
  const queue = find(address);
  const why = refusal(connection, queue, 'Listen');
  if (why) {
    sender.close(why);
    return;
  }
  echo(sender);
  consumers.add(new Consumer(sender, queue));
});
container.on('sendable', ({ sender }) => { for (const c of consumers) if (c.sender === sender) c.queue.pump(); });

container.on('receiver_open', ({ connection, receiver }) => {
  const address = receiver.target.address;
  if (address !== '$cbs' && !address.endsWith('/$management')) {
    const why = refusal(connection, find(address), 'Send');
    if (why) {
      receiver.close(why);
      return;
    }
  }
  echo(receiver);
});
container.on('message', ({ connection, receiver, message: msg, delivery }) => {
  const address = receiver.target.address;
  delivery.update(true, message.accepted().described());
  if (address === '$cbs' || address.endsWith('/$management')) {
    onRequest(connection, address, msg);
    return;
  }
  const queue = find(address);
  for (const q of queue.to.length ? queue.to.map(find) : [queue]) q.put(msg);
});
for (const [name, act] of Object.entries(outcomes)) {
  container.on(name, ({ sender, delivery }) => {
    const consumer = [...consumers].find((c) => c.sender === sender);
    if (!consumer || !delivery.token) return;
    const held = act(consumer.queue, delivery.token);
    delivery.update(true, held ? message.accepted().described() : message.rejected({ error: gone }).described());
  });
}

// commands of the test.
const commands = {
  create: (c) => { queues.set(c.path.toLowerCase(), new Queue(c)); },
  send: ({ path, body, kind, attributes }) => {
    const bytes = Buffer.from(body, 'base64');
    const bodies = {
      value: () => bytes.toString(), binary: () => bytes,
      sections: () => message.data_sections([bytes.subarray(0, 3), bytes.subarray(3)]),
    };
    const properties = Object.fromEntries(Object.entries(attributes || {}).map(([k, v]) => [k, typeof v === 'number' ? types.wrap_long(v) : v]));
    find(path).put({ message_id: crypto.randomUUID(), body: bodies[kind] ? bodies[kind]() : message.data_section(bytes), application_properties: properties });
  },
  state: ({ path }) => find(path).state(),
  expire: ({ path }) => { for (const token of [...find(path).locked.keys()]) find(path).again(token, 1); },
  deny: ({ path, claim, on }) => {
    const queue = find(path);
    queue.denied[claim] = on;
    for (const c of consumers) if (on && claim === 'listen' && c.queue === queue) c.sender.close(refusal(c.sender.connection, queue, 'Listen'));
  },
  detach: ({ path }) => {
    for (const c of consumers) if (c.queue === find(path)) c.sender.close(error('amqp:link:detach-forced', 'The link is closed for idleness.'));
  },
  drop: () => { for (const c of connections) c.socket.destroy(); },
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const server = container.listen({
  host: '127.0.0.1', port: 0, noDelay: true, receiver_options: { autoaccept: false }, sender_options: { autosettle: false, treat_modified_as_released: false },
});
server.on('listening', () => say({ port: server.address().port }));
readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    try {
      say(commands[command.op](command) || {});
    } catch (e) {
      say({ error: e.message });
    }
  })
  .on('close', () => process.exit(0));
