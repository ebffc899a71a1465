// Uses the client of Restate for its ingress as its documentation says, against the host at $INGRESS.
//
// Prints one line of JSON for each check: {"check": NAME, "ok": true} or {"check": NAME, "ok": false, "why": TEXT}.

import { deepStrictEqual as equal, match, ok, rejects } from "node:assert/strict";
import * as clients from "@restatedev/restate-sdk-clients";

const ingress = clients.connect({ url: process.env.INGRESS });
const probe = ingress.serviceClient({ name: "Probe" });
const object = (key) => ingress.objectClient({ name: "ProbeObject" }, key);
const workflow = (key) => ingress.workflowClient({ name: "ProbeWorkflow" }, key);

const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

/** Asks until the answer is there. */
async function until(ask) {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null) return answer;
    await pause();
  }
}

/** The id of the awakeable that a handler waits for, which it has published under this name. */
async function published(name) {
  const ids = await until(() => object(name).peek({ name: "awakeables" }));
  return ids[0];
}

const checks = {
  async "a call"() {
    equal(await probe.echo({ a: [1, "é", null] }), { a: [1, "é", null] });
  },

  async "a call without input and output"() {
    equal(await probe.nothing(), undefined);
  },

  async "a call to an object, whose key may be anything"() {
    const key = "a/b c%2Fd é?#";
    await object(key).set({ name: "n", value: 7 });
    equal(await object(key).get({ name: "n" }), 7);
    equal(await object(key).key(), key);
  },

  async "a call with headers"() {
    const seen = await probe.invocation(clients.Opts.from({ headers: { "x-tenant": "acme" } }));
    ok(seen.headers.some(([name, value]) => name === "x-tenant" && value === "acme"));
  },

  async "a call by name"() {
    await object("named").set({ name: "n", value: 7 });
    const parameter = { name: "n" };
    equal(await ingress.call({ service: "ProbeObject", key: "named", handler: "get", parameter }), 7);
  },

  async "a send"() {
    const sent = await ingress
      .objectSendClient({ name: "ProbeObject" }, "sent")
      .set({ name: "n", value: 1 });
    equal(sent.status, "Accepted");
    match(sent.invocationId, /^inv_/);
    equal(await until(() => object("sent").peek({ name: "n" })), 1);
  },

  async "a delayed send"() {
    const before = Date.now();
    const sent = await ingress
      .objectSendClient({ name: "ProbeObject" }, "delayed")
      .set({ name: "n", value: 1 }, clients.SendOpts.from({ delay: 300 }));
    equal(sent.status, "Accepted");
    equal(await until(() => object("delayed").peek({ name: "n" })), 1);
    ok(Date.now() - before >= 300, "it did not wait");
  },

  async "one idempotency key twice"() {
    const opts = () => clients.Opts.from({ idempotencyKey: "twice" });
    const first = await probe.invocation(opts());
    equal((await probe.invocation(opts())).id, first.id);
    equal(first.idempotency_key, "twice");
  },

  async "the result of a send"() {
    const send = () =>
      ingress
        .serviceSendClient({ name: "Probe" })
        .sleep({ ms: 100 }, clients.SendOpts.from({ idempotencyKey: "result" }));
    const sent = await send();
    equal(sent.status, "Accepted");
    const again = await send();
    equal([again.status, again.invocationId], ["PreviouslyAccepted", sent.invocationId]);
    equal(await ingress.result(sent), 100);
    equal(await ingress.result(again), 100);
  },

  async "a workflow from its submission to its output"() {
    const flow = workflow("flow 1");
    const submitted = await flow.workflowSubmit({ a: 1 });
    equal(submitted.status, "Accepted");
    equal((await flow.workflowSubmit({ a: 2 })).status, "PreviouslyAccepted");
    equal((await flow.workflowOutput()).ready, false);
    const attached = flow.workflowAttach();
    await until(() => flow.awakeable());
    await flow.approve({ by: "ann" });
    equal(await attached, { by: "ann" });
    equal(await ingress.result(submitted), { by: "ann" });
    equal(await flow.workflowOutput(), { ready: true, result: { by: "ann" } });
    equal(await flow.approved(), { by: "ann" });
  },

  async "the output of a workflow that never was"() {
    await rejects(workflow("nobody").workflowOutput(), { status: 404 });
  },

  async "an awakeable that is resolved"() {
    const waits = probe.awakeable({ publish_to: "resolved" });
    await ingress.resolveAwakeable(await published("resolved"), { seats: 2 });
    equal(await waits, { seats: 2 });
  },

  async "an awakeable that is rejected"() {
    const waits = probe.awakeable({ publish_to: "rejected" });
    const failed = rejects(waits, { status: 500, message: /no seats/ });
    await ingress.rejectAwakeable(await published("rejected"), "no seats");
    await failed;
  },

  async "errors"() {
    await rejects(ingress.serviceClient({ name: "Prob" }).echo(1), { status: 404, message: /did you mean/ });
    await rejects(probe.sleep({ ms: "long" }), { status: 400, message: /\.ms is \\"long\\"/ });
    await rejects(probe.fail_terminal({ code: 418, message: "teapot" }), { status: 418 });
  },

  async "a failure of the handler is not retried"() {
    let requests = 0;
    const counting = (...args) => (requests++, fetch(...args));
    const retrying = clients.connect({ url: process.env.INGRESS, retry: true, fetch: counting });
    const opts = clients.Opts.from({ idempotencyKey: "failing" });
    const failing = retrying.serviceClient({ name: "Probe" }).fail_terminal({ code: 503, message: "no" }, opts);
    await rejects(failing, { status: 503 });
    equal(requests, 1);
  },

  async "a client that goes away"() {
    const opts = (timeout) => clients.Opts.from({ idempotencyKey: "impatient", timeout });
    const patient = ingress.serviceClient({ name: "Clients" });
    await rejects(patient.query({ ms: 1000 }, opts(100)), { name: "TimeoutError" });
    const first = await patient.query({ ms: 1000 }, opts(60_000));
    equal(await patient.query({ ms: 1000 }, opts(60_000)), first);
  },
};

for (const [check, run] of Object.entries(checks)) {
  const result = await run().then(
    () => ({ check, ok: true }),
    (error) => ({ check, ok: false, why: String(error?.stack ?? error) }),
  );
  console.log(JSON.stringify(result));
}
