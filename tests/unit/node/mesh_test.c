/* tests/unit/node/mesh_test.c - two nodes become a mesh, by what their owners ask of them. */
#include "node/mesh.h"

#include "stage.h"

#define GATE_TCP "127.0.0.1:81"
#define GATE     "listen: [\"tcp:127.0.0.1:81\"]\nmesh: {gateway: true, listen: \"10.0.0.7:9340\"}\n"
#define OWN_FILE "/state/node.key"

static struct weft_resident gate;

static int ask_at(const struct weft_resident *node, const char *address, const char *method, const char *path,
                  const char *body)
{
    char bytes[4096];
    struct weft_slice token = weft_resident_token(node);
    int size = snprintf(bytes, sizeof(bytes),
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %.*s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        method, path, (int)token.size, token.data, strlen(body), body);
    assert_true(size > 0 && (size_t)size < sizeof(bytes));
    weft_raw_dial(&stage.raw, stage.clients, address);
    weft_raw_text(&stage.raw, bytes);
    (void)weft_world_run(stage.world, weft_world_now(stage.world) + 60 * WEFT_SECOND, stage_told, NULL);
    stage_read(false);
    int64_t text = weft_answer_text(&stage.answers.at[0], stage.text, sizeof(stage.text));
    assert_true(text >= 0);
    weft_raw_close(&stage.raw, false);
    return stage.answers.at[0].status;
}

static int ask_gate(const char *method, const char *path, const char *body)
{
    return ask_at(&gate, GATE_TCP, method, path, body);
}

static int ask(const char *method, const char *path, const char *body)
{
    return ask_at(&stage.node, STAGE_TCP, method, path, body);
}

/* A text of the answer's. */
static void read_text(const char *name, char *out, size_t size)
{
    json_t *body;
    assert_int_equal(weft_json_parse(weft_slice_text(stage.text), &body, NULL), 0);
    const char *text = json_string_value(json_object_get(body, name));
    assert_non_null(text);
    assert_true(strlen(text) < size);
    memcpy(out, text, strlen(text) + 1);
    json_decref(body);
}

static char line[512], id[64];

static void make_line(const char *wish)
{
    char text[WEFT_INVITE_LINE_SIZE];
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/invites", wish), 200);
    read_text("line", text, sizeof(text));
    read_text("id", id, sizeof(id));
    (void)snprintf(line, sizeof(line), "{\"line\":\"%s\"}", text);
}

static void begin(void)
{
    const struct weft_resident_options gateway = {.yaml = GATE, .journal_format = WEFT_JOURNAL_JSON};
    stage_begin(LISTEN_TCP);
    weft_resident_start(&gate, stage.upstream, stage.world, &gateway);
}

static void end(void)
{
    weft_resident_end(&gate);
    stage_end();
}

static void test_join_and_leave(void **state)
{
    (void)state;
    char mesh[WEFT_PEER_ID_SIZE], joined[WEFT_PEER_ID_SIZE];
    begin();
    assert_int_equal(ask("GET", "/weft/v1/mesh", ""), 200);
    assert_string_equal(stage.text, "{\"id\":null,\"mesh\":null}");
    assert_null(weft_world_file(stage.host, OWN_FILE).data);
    assert_int_equal(ask_gate("GET", "/weft/v1/mesh", ""), 200);
    assert_says("\"role\":\"gateway\",\"standing\":\"member\"");
    assert_says("\"root_key_here\":true,\"address\":\"10.0.0.7:9340\"");
    read_text("mesh", mesh, sizeof(mesh));
    make_line("{\"uses\":2}");
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 200);
    read_text("mesh", joined, sizeof(joined));
    assert_string_equal(mesh, joined);
    assert_says("\"role\":\"peer\",\"standing\":\"member\"");
    assert_non_null(weft_world_file(stage.host, OWN_FILE).data);
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 409);
    assert_says("\"already_in\"");
    assert_int_equal(ask_gate("GET", "/weft/v1/mesh/invites", ""), 200);
    assert_says("\"uses\":1,\"uses_max\":2");
    assert_int_equal(ask("POST", "/weft/v1/mesh/leave", "{}"), 200);
    assert_int_equal(ask("POST", "/weft/v1/mesh/leave", "{}"), 409);
    assert_says("\"no_mesh\"");
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 200); /* the same node: the same use */
    assert_int_equal(ask_gate("GET", "/weft/v1/mesh/invites", ""), 200);
    assert_says("\"uses\":1,\"uses_max\":2");
    assert_null(strstr(weft_world_log(stage.host), "weft1"));
    assert_null(strstr(weft_world_log(stage.upstream), "weft1"));
    end();
}

/* An invite names two addresses, and at the first one somebody else has moved in. */
static void test_a_gateway_of_another_mesh_is_passed_over(void **state)
{
    (void)state;
    static struct weft_resident other;
    const struct weft_resident_options options = {
        .yaml = "listen: [\"tcp:127.0.0.1:82\"]\nmesh: {gateway: true, listen: \"10.0.0.9:9340\"}\n",
        .journal_format = WEFT_JOURNAL_JSON};
    struct weft_invite invite;
    char text[WEFT_INVITE_LINE_SIZE];
    begin();
    weft_resident_start(&other, weft_world_host(stage.world, "other"), stage.world, &options);
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/invites", "{}"), 200);
    read_text("line", text, sizeof(text));
    assert_int_equal(weft_invite_read(weft_slice_text(text), &invite), 0);
    memcpy(invite.addresses[1], invite.addresses[0], sizeof(invite.addresses[1]));
    (void)snprintf(invite.addresses[0], sizeof(invite.addresses[0]), "10.0.0.9:9340");
    assert_int_equal(weft_invite_write(&invite, text), 0);
    (void)snprintf(line, sizeof(line), "{\"line\":\"%s\"}", text);
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 200);
    assert_says("\"role\":\"peer\",\"standing\":\"member\"");
    weft_resident_end(&other);
    end();
}

static void test_each_refusal_has_its_code(void **state)
{
    (void)state;
    char body[128];
    begin();
    make_line("{}");
    (void)snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/invites/revoke", body), 200);
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 409);
    assert_says("\"revoked\"");
    make_line("{\"ttl_s\":5}");
    stage_pass(7 * WEFT_SECOND);
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 409);
    assert_says("\"expired\"");
    make_line("{}");
    line[40] = line[40] == 'A' ? 'B' : 'A';
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 409);
    assert_says("\"damaged\"");
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", "{\"line\":\"nonsense\"}"), 409);
    assert_says("\"no_invite\"");
    make_line("{}");
    weft_resident_end(&gate);
    assert_int_equal(ask("POST", "/weft/v1/mesh/join", line), 409);
    assert_says("\"unreachable\"");
    static const char *const bodies[] = {"", "[]", "{\"line\":7}", "{", "{}"};
    for (size_t i = 0; i < WEFT_COUNT(bodies); i++) {
        assert_int_equal(ask("POST", "/weft/v1/mesh/join", bodies[i]), 400);
    }
    assert_int_equal(ask("POST", "/weft/v1/mesh/jion", "{}"), 404);
    assert_int_equal(ask("POST", "/weft/v1/mesh/invites", "{}"), 409);
    assert_says("\"no_mesh\"");
    assert_int_equal(stage_ask("GET", "/weft/v1/mesh", "", ""), 401);
    assert_int_equal(stage_ask("POST", "/weft/v1/mesh/leave", "Content-Type: application/json\r\n", "{}"), 401);
    stage_end();
}

static void test_wishes_out_of_bounds(void **state)
{
    (void)state;
    begin();
    static const char *const wishes[] = {"{\"uses\":0}",        "{\"uses\":1001}",  "{\"ttl_s\":0}",
                                         "{\"ttl_s\":2592001}", "{\"uses\":\"1\"}", "{\"role\":\"king\"}"};
    for (size_t i = 0; i < WEFT_COUNT(wishes); i++) {
        assert_int_equal(ask_gate("POST", "/weft/v1/mesh/invites", wishes[i]), 400);
    }
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/revoke", "{\"id\":\"nobody\"}"), 400);
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/invites/revoke", "{\"id\":\"0123456789abcdef\"}"), 404);
    assert_int_equal(ask_gate("POST", "/weft/v1/mesh/letter", "{\"letter\":\"weft certificate v1 x\"}"), 409);
    end();
}

/* Its owner leaves, or the node ends, at any moment of joining. */
static void test_ended_while_it_joins(void **state)
{
    (void)state;
    for (weft_time after = 0; after < 12 * WEFT_MS; after += 311) {
        char bytes[1024];
        begin();
        make_line("{}");
        struct weft_slice token = weft_resident_token(&stage.node);
        (void)snprintf(bytes, sizeof(bytes),
                       "POST /weft/v1/mesh/join HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %.*s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       (int)token.size, token.data, strlen(line), line);
        weft_raw_dial(&stage.raw, stage.clients, STAGE_TCP);
        weft_raw_text(&stage.raw, bytes);
        stage_pass(after);
        weft_raw_close(&stage.raw, true);
        if (after % 2 == 0) {
            stage_pass(after);
        } else {
            weft_resident_drain(&stage.node, 0);
            stage_pass(10 * WEFT_SECOND);
            assert_true(stage.node.stopped);
        }
        stage_pass(10 * WEFT_SECOND);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_and_leave),
        cmocka_unit_test(test_a_gateway_of_another_mesh_is_passed_over),
        cmocka_unit_test(test_each_refusal_has_its_code),
        cmocka_unit_test(test_wishes_out_of_bounds),
        cmocka_unit_test(test_ended_while_it_joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
