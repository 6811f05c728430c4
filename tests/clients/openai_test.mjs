// tests/clients/openai_test.mjs - what a program sees that talks to a node through OpenAI's own client.
//
// openai_test.py runs it and says where the node is (WEFT_URL, WEFT_KEY), where one without an upstream is (ALONE_URL),
// where the upstream counts (COUNT_URL), and how long a case may take (WAIT_MS). tests/lib/upstream.py answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIError, APIUserAbortError, AuthenticationError, NotFoundError } from "openai";

const { WEFT_URL, WEFT_KEY, ALONE_URL, COUNT_URL, WAIT_MS } = process.env;
const TEXT = "Grüße an alle 😀";
const messages = [{ role: "user", content: "Schöne Grüße?" }];

const client = (baseURL = WEFT_URL, apiKey = WEFT_KEY) => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const stream = (model, options) => client().chat.completions.create({ model, messages, stream: true }, options);
const on = (name, run) => test(name, { timeout: Number(WAIT_MS) }, run);

// What became of a call that must fail: its error, checked for the class.
async function failure(promise, kind) {
    const error = await promise.then(
        () => assert.fail("it succeeded"),
        (why) => why,
    );
    assert.ok(error instanceof kind, `${error.name} is no ${kind.name}: ${error.message}`);
    return error;
}

on("models are listed", async () => {
    const models = await client().models.list();
    assert.deepEqual(
        models.data.map((model) => model.id),
        ["whole", "endless", "dies", "dies-inside"],
    );
});

on("a completion in one piece", async () => {
    const answer = await client().chat.completions.create({ model: "whole", messages });
    assert.equal(answer.choices[0].message.content, TEXT);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, 5);
});

on("a completion in a stream", async () => {
    const pieces = [];
    let reason = null;
    for await (const chunk of await stream("whole")) {
        pieces.push(chunk.choices[0].delta.content ?? "");
        reason = chunk.choices[0].finish_reason;
    }
    assert.equal(pieces.join(""), TEXT);
    assert.equal(pieces.length, 5);
    assert.equal(reason, "stop");
});

on("the client's own reader of streams", async () => {
    const answer = await client().chat.completions.stream({ model: "whole", messages }).finalChatCompletion();
    assert.equal(answer.choices[0].message.content, TEXT);
});

on("an abort in mid-stream reaches the upstream", async () => {
    const before = (await (await fetch(COUNT_URL)).json()).cancelled;
    const chunks = await stream("endless");
    for await (const chunk of chunks) {
        assert.equal(chunk.choices[0].delta.content, "Grüße");
        chunks.controller.abort();
    }
    const counts = await (await fetch(`${COUNT_URL}?open=0&cancelled=${before + 1}`)).json();
    assert.equal(counts.cancelled, before + 1);
});

on("so does an abort by a signal", async () => {
    const before = (await (await fetch(COUNT_URL)).json()).cancelled;
    const abort = new AbortController();
    const asked = stream("endless", { signal: abort.signal });
    await asked;
    abort.abort();
    const counts = await (await fetch(`${COUNT_URL}?open=0&cancelled=${before + 1}`)).json();
    assert.equal(counts.cancelled, before + 1);
    await failure(stream("whole", { signal: abort.signal }), APIUserAbortError);
});

on("an upstream that dies between two events is an error with our sentence", async () => {
    const seen = [];
    const read = async () => {
        for await (const chunk of await stream("dies")) {
            seen.push(chunk.choices[0].delta.content);
        }
    };
    const error = await failure(read(), APIError);
    assert.deepEqual(seen, ["Grüße"]);
    assert.equal(error.code, "upstream_closed");
    assert.match(error.message, /The upstream server closed the connection/);
});

on("an upstream that dies inside an event is an error too", async () => {
    const seen = [];
    const read = async () => {
        for await (const chunk of await stream("dies-inside")) {
            seen.push(chunk.choices[0].delta.content);
        }
    };
    await failure(read(), Error);
    assert.deepEqual(seen, ["Grüße"]);
});

on("the upstream's own refusal passes through", async () => {
    const error = await failure(client().chat.completions.create({ model: "none", messages }), NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /There is no model none\./);
});

on("a wrong API key", async () => {
    const error = await failure(client(WEFT_URL, "sk-other").models.list(), AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    assert.match(error.message, /The API key is not the one this node was given\./);
});

on("a node without a model", async () => {
    const error = await failure(client(ALONE_URL).chat.completions.create({ model: "whole", messages }), APIError);
    assert.equal(error.status, 503);
    assert.equal(error.code, "no_model");
    assert.match(error.message, /--model FILE, or with --external URL/);
});
