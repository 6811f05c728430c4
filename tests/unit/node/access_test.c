/* tests/unit/node/access_test.c - the access table, row by row, and the rules before it. */
#include "node/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define OWNER_TOKEN "Bearer owner-token"
#define API_KEY     "Bearer api-key"

/* One request and its verdict. What is NULL or false is ordinary. */
struct row {
    const char *method, *target, *host, *authorization, *origin, *type, *wants;
    const char *again; /* a header that stands twice */
    bool no_key, body, local;
    int status; /* 0: allowed */
    const char *code;
    enum weft_principal principal;
};

static struct weft_arena arena;

static void add(struct weft_fields *fields, const char *name, const char *value)
{
    if (value) {
        assert_int_equal(weft_fields_add(fields, &arena, weft_slice_text(name), weft_slice_text(value)), 0);
    }
}

static struct weft_access_verdict check(const struct row *row)
{
    static const struct weft_slice hosts[] = {{"weft.example", 12}};
    static const struct weft_slice origins[] = {{"https://chat.example", 20}, {"null.example", 12}};
    struct weft_access_policy policy = {.owner = weft_secret_of(WEFT_SLICE("owner-token")),
                                        .hosts = hosts,
                                        .host_count = 1,
                                        .origins = origins,
                                        .origin_count = 2};
    if (!row->no_key) {
        policy.key = weft_secret_of(WEFT_SLICE("api-key"));
    }
    struct weft_request_head request = {.method = weft_slice_text(row->method),
                                        .scheme = WEFT_SLICE("http"),
                                        .authority = weft_slice_text(row->host ? row->host : "localhost:9338"),
                                        .target = weft_slice_text(row->target)};
    weft_arena_init(&arena);
    add(&request.fields, "authorization", row->authorization);
    add(&request.fields, "origin", row->origin);
    add(&request.fields, "content-type", row->type);
    add(&request.fields, "access-control-request-method", row->wants);
    if (row->again) {
        add(&request.fields, row->again, "application/json");
    }
    struct weft_access_verdict verdict =
        weft_access_check(&policy, &request, row->body, &(const struct weft_caller){.local = row->local});
    weft_arena_deinit(&arena);
    return verdict;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct weft_access_verdict verdict = check(row);
        const char *code = verdict.refusal.status ? verdict.refusal.code : "";
        if (verdict.refusal.status != row->status || (row->code && strcmp(code, row->code) != 0)) {
            fail_msg("row %zu: %s %s gives %d %s, not %d %s", i, row->method, row->target, verdict.refusal.status, code,
                     row->status, row->code ? row->code : "");
        }
        if (verdict.refusal.status == 0 && !verdict.options) {
            assert_int_equal(verdict.principal, row->principal);
        }
    }
}

/* Route x principal x method: the whole table, said a second time in another way. */
static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *target, *methods;
        bool anonymous, key, owner;
        enum weft_route route;
    } routes[] = {
        {"/health", "GET HEAD", true, true, true, WEFT_ROUTE_HEALTH},
        {"/readyz", "GET HEAD", true, true, true, WEFT_ROUTE_READY},
        {"/metrics", "GET HEAD", false, true, true, WEFT_ROUTE_METRICS},
        {"/weft/v1/status", "GET HEAD", false, false, true, WEFT_ROUTE_STATUS},
        {"/load", "GET HEAD", false, true, true, WEFT_ROUTE_LOAD},
        {"/weft/v1/drain", "POST", false, false, true, WEFT_ROUTE_DRAIN},
        {"/v1/models", "GET HEAD POST DELETE", false, true, true, WEFT_ROUTE_API},
    };
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW"};
    static const char *const shown[] = {NULL, API_KEY, OWNER_TOKEN};
    for (size_t r = 0; r < WEFT_COUNT(routes); r++) {
        for (size_t m = 0; m < WEFT_COUNT(methods); m++) {
            for (size_t s = 0; s < WEFT_COUNT(shown); s++) {
                struct row row = {.method = methods[m], .target = routes[r].target, .authorization = shown[s]};
                struct weft_access_verdict verdict = check(&row);
                bool may = s == 0 ? routes[r].anonymous : s == 1 ? routes[r].key : routes[r].owner;
                bool fits = strstr(routes[r].methods, methods[m]) != NULL;
                int wanted = !may ? 401 : fits ? 0 : strcmp(methods[m], "BREW") == 0 ? 501 : 405;
                if (verdict.refusal.status != wanted || verdict.route != routes[r].route) {
                    fail_msg("%s %s by %zu: %d, not %d", methods[m], routes[r].target, s, verdict.refusal.status,
                             wanted);
                }
                if (wanted == 405) {
                    assert_true(strstr(verdict.allow, methods[m]) == NULL);
                }
            }
        }
    }
}

static void test_principals(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.method = "GET", .target = "/health", .principal = WEFT_ANONYMOUS},
        {.method = "GET", .target = "/health", .no_key = true, .principal = WEFT_KEY},
        {.method = "GET", .target = "/v1/models", .no_key = true, .principal = WEFT_KEY},
        {.method = "GET", .target = "/v1/models", .authorization = API_KEY, .principal = WEFT_KEY},
        {.method = "GET", .target = "/v1/models", .authorization = "bEaReR api-key", .principal = WEFT_KEY},
        {.method = "GET", .target = "/v1/models", .authorization = "Bearer   api-key", .principal = WEFT_KEY},
        {.method = "GET", .target = "/v1/models", .authorization = "Bearer   owner-token", .principal = WEFT_OWNER},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Bearerapi-key",
         .status = 401,
         .code = "api_key_required"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Bearer api-key api-key",
         .status = 401,
         .code = "invalid_api_key"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Bearer\tapi-key",
         .status = 401,
         .code = "api_key_required"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "api-key",
         .status = 401,
         .code = "api_key_required"},
        {.method = "GET", .target = "/v1/models", .authorization = "", .status = 401, .code = "api_key_required"},
        {.method = "GET", .target = "/v1/models", .authorization = OWNER_TOKEN, .principal = WEFT_OWNER},
        {.method = "GET", .target = "/v1/models", .status = 401, .code = "api_key_required"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Bearer api-kez",
         .status = 401,
         .code = "invalid_api_key"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Bearer api-key2",
         .status = 401,
         .code = "invalid_api_key"},
        {.method = "GET", .target = "/v1/models", .authorization = "Bearer", .status = 401, .code = "api_key_required"},
        {.method = "GET",
         .target = "/v1/models",
         .authorization = "Basic api-key",
         .status = 401,
         .code = "api_key_required"},
        {.method = "GET",
         .target = "/weft/v1/status",
         .authorization = API_KEY,
         .status = 401,
         .code = "owner_token_required"},
        {.method = "GET", .target = "/weft/v1/status", .no_key = true, .status = 401, .code = "owner_token_required"},
        {.method = "GET", .target = "/weft/v1/status", .authorization = OWNER_TOKEN, .principal = WEFT_OWNER},
    };
    check_rows(rows, WEFT_COUNT(rows));
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const ours[] = {"localhost",    "LOCALHOST:80",      "localhost.",   "a.localhost:1",
                                       "127.0.0.1",    "192.168.1.7:9338",  "[::1]:9338",   "[2001:db8::1]",
                                       "weft.example", "WEFT.example:9338", "weft.example."};
    static const char *const strange[] = {"evil.example",
                                          "weft.example.evil.example",
                                          "localhost.evil.example",
                                          "notlocalhost",
                                          ".localhost",
                                          "weft.exampl",
                                          ""};
    for (size_t i = 0; i < WEFT_COUNT(ours); i++) {
        assert_int_equal(check(&(struct row){.method = "GET", .target = "/health", .host = ours[i]}).refusal.status, 0);
    }
    for (size_t i = 0; i < WEFT_COUNT(strange); i++) {
        struct row row = {.method = "GET", .target = "/health", .host = strange[i]};
        assert_int_equal(check(&row).refusal.status, 421);
        row.local = true; /* a Unix socket: no web page can come that way */
        assert_int_equal(check(&row).refusal.status, 0);
    }
}

static void test_origins(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* our own page */
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "http://localhost:9338",
         .principal = WEFT_KEY},
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "http://LOCALHOST:9338",
         .principal = WEFT_KEY},
        /* another port, scheme or name is another origin */
        {.method = "POST", .target = "/v1/x", .authorization = API_KEY, .origin = "http://localhost:1", .status = 403},
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "https://localhost:9338",
         .status = 403},
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "ftps://localhost:9338",
         .status = 403},
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "http:xxlocalhost:9338",
         .status = 403},
        {.method = "POST", .target = "/v1/x", .authorization = API_KEY, .origin = "localhost:9338", .status = 403},
        {.method = "POST", .target = "/v1/x", .authorization = API_KEY, .origin = "", .status = 403},
        {.method = "POST", .target = "/v1/x", .authorization = API_KEY, .origin = "null", .status = 403},
        /* where nothing is, a foreign page learns no more than anybody */
        {.method = "OPTIONS", .target = "/nothing", .origin = "https://evil.example", .status = 404},
        {.method = "DELETE",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "https://evil.example",
         .status = 403,
         .code = "origin_not_allowed"},
        {.method = "BREW",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "https://evil.example",
         .status = 403},
        /* reading is not changing, and without CORS headers the page does not get to see it */
        {.method = "GET", .target = "/health", .origin = "https://evil.example", .principal = WEFT_ANONYMOUS},
        /* a listed one may, if it may otherwise */
        {.method = "POST",
         .target = "/v1/x",
         .authorization = API_KEY,
         .origin = "https://chat.example",
         .principal = WEFT_KEY},
        {.method = "POST", .target = "/v1/x", .origin = "https://chat.example", .status = 401},
        {.method = "POST", .target = "/v1/x", .origin = "https://chat.example.test", .status = 403},
    };
    check_rows(rows, WEFT_COUNT(rows));
    struct row row = {.method = "GET", .target = "/health", .origin = "https://chat.example"};
    assert_true(check(&row).cors_origin.data != NULL);
    row.origin = "https://evil.example";
    assert_null(check(&row).cors_origin.data);
    row.origin = "http://localhost:9338";
    assert_null(check(&row).cors_origin.data); /* to itself a page needs no leave */
}

static void test_preflights(void **state)
{
    (void)state;
    static const struct {
        const char *target, *origin, *wants;
        bool goes;
    } rows[] = {
        {"/v1/chat/completions", "https://chat.example", "POST", true},
        {"/v1/chat/completions", "https://chat.example", "GET", true},
        {"/v1/chat/completions", "https://chat.example", "PUT", false},
        {"/v1/chat/completions", "https://chat.example", NULL, false},
        {"/v1/chat/completions", "https://evil.example", "POST", false},
        {"/v1/chat/completions", NULL, "POST", true}, /* no page asks: whoever wants to know may */
        {"/health", "https://chat.example", "POST", false},
        {"/weft/v1/drain", "https://chat.example", "POST", true}, /* the token decides, not the origin */
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_access_verdict verdict = check(&(struct row){
            .method = "OPTIONS", .target = rows[i].target, .origin = rows[i].origin, .wants = rows[i].wants});
        assert_int_equal(verdict.options, rows[i].goes);
        assert_int_equal(verdict.refusal.status, rows[i].goes ? 0 : 403);
    }
}

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int status;
    } rows[] = {
        {"application/json", 0},
        {"application/json; charset=utf-8", 0},
        {"Application/JSON ;x=y", 0},
        {NULL, 415},
        {"text/plain", 415},
        {"application/jsonx", 415},
        {"application/x-www-form-urlencoded", 415},
        {"multipart/form-data; boundary=x", 415},
        {"text/plain; application/json", 415},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct row row = {.method = "POST", .target = "/v1/x", .authorization = API_KEY, .type = rows[i].type};
        row.body = true;
        assert_int_equal(check(&row).refusal.status, rows[i].status);
        row.body = false; /* nothing to be misread */
        assert_int_equal(check(&row).refusal.status, 0);
        row.body = true;
        row.method = "GET";
        assert_int_equal(check(&row).refusal.status, 0);
    }
}

static void test_headers_that_stand_twice(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"POST", "/v1/x", .no_key = true, .body = true, .type = "application/json", .again = "content-type",
         .status = 400, .code = "header_twice"},
        {"POST", "/v1/x", .no_key = true, .origin = "http://localhost:9338", .again = "origin", .status = 400,
         .code = "header_twice"},
        {"GET", "/v1/x", .authorization = API_KEY, .again = "authorization", .status = 400, .code = "header_twice"},
        {"OPTIONS", "/v1/x", .origin = "https://chat.example", .wants = "POST",
         .again = "access-control-request-method", .status = 400, .code = "header_twice"},
        {"GET", "/v1/x", .no_key = true, .again = "accept", .principal = WEFT_KEY},
    };
    check_rows(rows, WEFT_COUNT(rows));
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum weft_route route;
    } rows[] = {
        {"/health", WEFT_ROUTE_HEALTH},
        {"/health?x=/v1/", WEFT_ROUTE_HEALTH},
        {"/healthy", WEFT_ROUTE_NONE},
        {"/health/", WEFT_ROUTE_NONE},
        {"/load", WEFT_ROUTE_LOAD},
        {"/loads", WEFT_ROUTE_NONE},
        {"/v1/", WEFT_ROUTE_API},
        {"/v1", WEFT_ROUTE_NONE},
        {"/v1?/v1/", WEFT_ROUTE_NONE},
        {"/V1/x", WEFT_ROUTE_NONE},
        {"/weft/v1/status", WEFT_ROUTE_STATUS},
        {"/weft/v1/", WEFT_ROUTE_NONE},
        {"/", WEFT_ROUTE_NONE},
        {"/%68ealth", WEFT_ROUTE_NONE},
    };
    for (size_t i = 0; i < WEFT_COUNT(rows); i++) {
        struct weft_access_verdict verdict =
            check(&(struct row){.method = "GET", .target = rows[i].target, .authorization = OWNER_TOKEN});
        assert_int_equal(verdict.route, rows[i].route);
        assert_int_equal(verdict.refusal.status, rows[i].route == WEFT_ROUTE_NONE ? 404 : 0);
    }
    assert_int_equal(check(&(struct row){.method = "OPTIONS", .target = "*"}).refusal.status, 0);
    assert_int_equal(check(&(struct row){.method = "GET", .target = "*"}).refusal.status, 404);
    assert_string_equal(weft_route_name(WEFT_ROUTE_NONE), "none");
    assert_string_equal(weft_principal_name(WEFT_GATEWAY), "gateway");
}

/* The mesh's door: every principal that a link can have, and one that has shown no key, on every kind of path. */
static void test_mesh(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        int member, stranger, keyless;
    } rows[] = {
        {"GET", "/mesh/v1/hello", 0, 0, 404},      {"HEAD", "/mesh/v1/hello?x", 0, 0, 404},
        {"POST", "/mesh/v1/hello", 0, 0, 404},     {"BREW", "/mesh/v1/hello", 501, 501, 404},
        {"PUT", "/mesh/v1/hello", 405, 405, 404},  {"GET", "/mesh/v1/join", 405, 405, 404},
        {"GET", "/mesh/v1/hellos", 404, 404, 404}, {"GET", "/mesh/v2/hello", 404, 404, 404},
        {"GET", "/health", 404, 404, 404},         {"GET", "/weft/v1/status", 404, 404, 404},
        {"POST", "/weft/v1/drain", 404, 404, 404}, {"GET", "/v1/models", 404, 404, 404},
        {"OPTIONS", "*", 404, 404, 404},
    };
    static const char *const shown[] = {NULL, API_KEY, OWNER_TOKEN};
    struct weft_access_policy policy = {.owner = weft_secret_of(WEFT_SLICE("owner-token")),
                                        .key = weft_secret_of(WEFT_SLICE("api-key"))};
    for (size_t i = 0; i < WEFT_COUNT(rows) * WEFT_COUNT(shown) * 4; i++) {
        size_t row = i / 12, as = i % 4;
        struct weft_caller caller = {.mesh = true,
                                     .principal = as == 0   ? WEFT_MEMBER
                                                  : as == 1 ? WEFT_GATEWAY
                                                            : WEFT_ANONYMOUS};
        caller.key.bytes[0] = as < 3;
        /* Any name will do as its host: a key is no name, and none can be pointed here. */
        struct weft_request_head request = {.method = weft_slice_text(rows[row].method),
                                            .scheme = WEFT_SLICE("https"),
                                            .authority = WEFT_SLICE("elsewhere.example"),
                                            .target = weft_slice_text(rows[row].target)};
        weft_arena_init(&arena);
        add(&request.fields, "authorization", shown[i / 4 % 3]);
        struct weft_access_verdict verdict = weft_access_check(&policy, &request, false, &caller);
        assert_int_equal(verdict.refusal.status, as < 2    ? rows[row].member
                                                 : as == 2 ? rows[row].stranger
                                                           : rows[row].keyless);
        assert_int_equal(verdict.principal, caller.principal);
        weft_arena_deinit(&arena);
    }
}

/* What a link carries need not be JSON: no web page can make one. */
static void test_mesh_bodies(void **state)
{
    (void)state;
    struct weft_access_policy policy = {.owner = weft_secret_of(WEFT_SLICE("owner-token"))};
    struct weft_request_head request = {
        .method = WEFT_SLICE("GET"), .authority = WEFT_SLICE("x"), .target = WEFT_SLICE("/mesh/v1/hello")};
    struct weft_caller caller = {.mesh = true, .principal = WEFT_MEMBER, .key = {{1}}};
    assert_int_equal(weft_access_check(&policy, &request, true, &caller).refusal.status, 0);
    assert_int_equal(weft_access_check(&policy, &request, true, &caller).route, WEFT_ROUTE_HELLO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mesh),
        cmocka_unit_test(test_mesh_bodies),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_principals),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_headers_that_stand_twice),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
