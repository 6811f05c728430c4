/* node/access.c - who may call what. */
#include "node/access.h"

#include "base/assert.h"
#include "base/error.h"

enum method { GET = 1, HEAD = 2, POST = 4, PUT = 8, PATCH = 16, DELETE = 32, OPTIONS = 64 };

#define READ           (GET | HEAD)
#define MAY(principal) (1u << (principal))
#define MEMBERS        (MAY(WEFT_MEMBER) | MAY(WEFT_GATEWAY))
#define WITH_A_KEY     (MEMBERS | MAY(WEFT_ANONYMOUS)) /* of the mesh's callers; whoever shows none gets 404 */
#define EVERYBODY      (MAY(WEFT_OWNER) | MAY(WEFT_KEY) | MAY(WEFT_MEMBER) | MAY(WEFT_GATEWAY) | MAY(WEFT_ANONYMOUS))

/* The table. A path that ends in a slash stands for everything below it. */
static const struct rule {
    const char *path;
    unsigned methods;
    unsigned who;
    const char *allow; /* `methods` as a header */
    bool mesh;         /* for the mesh's callers, and nobody else */
} rules[WEFT_ROUTES] = {
    [WEFT_ROUTE_HEALTH] = {"/health", READ, EVERYBODY, "GET, HEAD", false},
    [WEFT_ROUTE_READY] = {"/readyz", READ, EVERYBODY, "GET, HEAD", false},
    [WEFT_ROUTE_METRICS] = {"/metrics", READ, MAY(WEFT_OWNER) | MAY(WEFT_KEY), "GET, HEAD", false},
    [WEFT_ROUTE_STATUS] = {"/weft/v1/status", READ, MAY(WEFT_OWNER), "GET, HEAD", false},
    [WEFT_ROUTE_LOAD] = {"/load", READ, MAY(WEFT_OWNER) | MAY(WEFT_KEY), "GET, HEAD", false},
    [WEFT_ROUTE_DRAIN] = {"/weft/v1/drain", POST, MAY(WEFT_OWNER), "POST", false},
    [WEFT_ROUTE_API] = {"/v1/", READ | POST | DELETE, MAY(WEFT_OWNER) | MAY(WEFT_KEY), "GET, HEAD, POST, DELETE",
                        false},
    [WEFT_ROUTE_MESH] = {"/weft/v1/mesh", READ, MAY(WEFT_OWNER), "GET, HEAD", false},
    [WEFT_ROUTE_MESH_ACTS] = {"/weft/v1/mesh/", READ | POST, MAY(WEFT_OWNER), "GET, HEAD, POST", false},
    [WEFT_ROUTE_HELLO] = {"/mesh/v1/hello", READ | POST, WITH_A_KEY, "GET, HEAD, POST", true},
    [WEFT_ROUTE_JOIN] = {"/mesh/v1/join", POST, WITH_A_KEY, "POST", true},
    [WEFT_ROUTE_ADMIT] = {"/mesh/v1/admit", POST, MAY(WEFT_GATEWAY), "POST", true},
    [WEFT_ROUTE_GOSSIP] = {"/mesh/v1/gossip", POST, MEMBERS, "POST", true},
    [WEFT_ROUTE_GENERATE] = {"/mesh/v1/generate", POST, MEMBERS, "POST", true},
    [WEFT_ROUTE_PEERS] = {"/mesh/v1/peers/", POST, MEMBERS, "POST", true},
    [WEFT_ROUTE_NONE] = {"none", READ, EVERYBODY, "GET, HEAD", false},
};

static const struct {
    struct weft_slice name;
    enum method method;
} methods[] = {
    {{"GET", 3}, GET},     {{"HEAD", 4}, HEAD},     {{"POST", 4}, POST},       {{"PUT", 3}, PUT},
    {{"PATCH", 5}, PATCH}, {{"DELETE", 6}, DELETE}, {{"OPTIONS", 7}, OPTIONS},
};

static const char *const principal_names[WEFT_PRINCIPALS] = {
    [WEFT_OWNER] = "owner",         [WEFT_KEY] = "key", [WEFT_MEMBER] = "member", [WEFT_GATEWAY] = "gateway",
    [WEFT_ANONYMOUS] = "anonymous",
};

#define REFUSE(verdict, status_, code_, why_) ((verdict)->refusal = (struct weft_refusal){status_, code_, why_})

const char *weft_principal_name(enum weft_principal principal)
{
    return principal_names[principal];
}

const char *weft_route_name(enum weft_route route)
{
    return rules[route].path;
}

static unsigned method_of(struct weft_slice name)
{
    for (size_t i = 0; i < WEFT_COUNT(methods); i++) {
        if (weft_slice_equal(methods[i].name, name)) {
            return methods[i].method;
        }
    }
    return 0;
}

static enum weft_route route_of(struct weft_slice target, bool mesh)
{
    const char *query = target.size ? memchr(target.data, '?', target.size) : NULL;
    struct weft_slice path = query ? weft_slice(target.data, (size_t)(query - target.data)) : target;
    for (int i = 0; i < WEFT_ROUTE_NONE; i++) {
        struct weft_slice rule = weft_slice_text(rules[i].path);
        bool below = rule.data[rule.size - 1] == '/';
        if (rules[i].mesh != mesh) {
            continue;
        }
        if (below ? weft_slice_starts(path, rule) : weft_slice_equal(path, rule)) {
            return (enum weft_route)i;
        }
    }
    return WEFT_ROUTE_NONE;
}

/* "name:port", "[::1]:port" or "name" without its port. */
static struct weft_slice host_of(struct weft_slice authority)
{
    size_t end = authority.size;
    if (end > 0 && authority.data[0] == '[') {
        const char *bracket = memchr(authority.data, ']', end);
        return bracket ? weft_slice(authority.data, (size_t)(bracket - authority.data) + 1) : authority;
    }
    const char *colon = end ? memchr(authority.data, ':', end) : NULL;
    return colon ? weft_slice(authority.data, (size_t)(colon - authority.data)) : authority;
}

static bool is_address(struct weft_slice host)
{
    if (host.size == 0) {
        return false;
    }
    if (host.data[0] == '[') {
        return true;
    }
    for (size_t i = 0; i < host.size; i++) {
        if ((host.data[i] < '0' || host.data[i] > '9') && host.data[i] != '.') {
            return false;
        }
    }
    return true;
}

/* A web page elsewhere can have its name point here (DNS rebinding) and then counts as our own origin: so only names we
 * know are ours are answered. An address is no name, and cannot be pointed anywhere. */
static bool host_is_ours(const struct weft_access_policy *policy, struct weft_slice authority)
{
    struct weft_slice host = host_of(authority);
    if (host.size > 0 && host.data[host.size - 1] == '.') {
        host.size--; /* "localhost." is the same name, fully qualified */
    }
    if (is_address(host) || weft_slice_equal_nocase(host, WEFT_SLICE("localhost"))) {
        return true;
    }
    struct weft_slice end = WEFT_SLICE(".localhost"); /* RFC 6761 6.3: always this machine */
    if (host.size > end.size && weft_slice_equal_nocase(weft_slice(host.data + host.size - end.size, end.size), end)) {
        return true;
    }
    for (size_t i = 0; i < policy->host_count; i++) {
        if (weft_slice_equal_nocase(host, policy->hosts[i])) {
            return true;
        }
    }
    return false;
}

static bool origin_is_own(const struct weft_request_head *request, struct weft_slice origin)
{
    struct weft_slice scheme = request->scheme;
    return origin.size == scheme.size + 3 + request->authority.size && weft_slice_starts(origin, scheme) &&
           memcmp(origin.data + scheme.size, "://", 3) == 0 &&
           weft_slice_equal_nocase(weft_slice(origin.data + scheme.size + 3, request->authority.size),
                                   request->authority);
}

static bool origin_is_listed(const struct weft_access_policy *policy, struct weft_slice origin)
{
    for (size_t i = 0; i < policy->origin_count; i++) {
        if (weft_slice_equal_nocase(origin, policy->origins[i])) {
            return true;
        }
    }
    return false;
}

/* "application/json", perhaps with parameters. */
static bool is_json(struct weft_slice type)
{
    const char *semicolon = type.size ? memchr(type.data, ';', type.size) : NULL;
    if (semicolon) {
        type.size = (size_t)(semicolon - type.data);
    }
    while (type.size > 0 && (type.data[type.size - 1] == ' ' || type.data[type.size - 1] == '\t')) {
        type.size--;
    }
    return weft_slice_equal_nocase(type, WEFT_SLICE("application/json"));
}

static void check_origin(const struct weft_access_policy *policy, const struct weft_request_head *request,
                         unsigned method, struct weft_access_verdict *verdict)
{
    const struct weft_field *origin = weft_fields_find(&request->fields, "origin");
    if (!origin || origin_is_own(request, origin->value)) {
        return;
    }
    if (origin_is_listed(policy, origin->value)) {
        verdict->cors_origin = origin->value;
    } else if (!(method & READ)) {
        REFUSE(verdict, 403, "origin_not_allowed",
               "This web page may not call this node. If it is yours, add its origin to cors.origins.");
    }
}

/* What a browser asks before it lets a page ask, or what anybody asks who wants to know (RFC 9110 9.3.7). */
static void check_options(const struct weft_request_head *request, struct weft_access_verdict *verdict)
{
    if (!weft_fields_find(&request->fields, "origin")) {
        verdict->options = true;
        return;
    }
    struct weft_slice wanted = weft_fields_value(&request->fields, "access-control-request-method");
    verdict->options = verdict->cors_origin.data && (method_of(wanted) & rules[verdict->route].methods);
    if (!verdict->options) {
        REFUSE(verdict, 403, "origin_not_allowed",
               "This web page may not call this node that way. If it is yours, add its origin to cors.origins.");
    }
}

static struct weft_slice bearer(const struct weft_request_head *request)
{
    struct weft_slice value = weft_fields_value(&request->fields, "authorization");
    struct weft_slice scheme = WEFT_SLICE("bearer ");
    if (value.size <= scheme.size || !weft_slice_equal_nocase(weft_slice(value.data, scheme.size), scheme)) {
        return (struct weft_slice){0};
    }
    value = weft_slice(value.data + scheme.size, value.size - scheme.size);
    while (value.size > 0 && value.data[0] == ' ') { /* RFC 9110 11.4: one blank or more */
        value = weft_slice(value.data + 1, value.size - 1);
    }
    return value;
}

static void check_principal(const struct weft_access_policy *policy, const struct weft_request_head *request,
                            struct weft_access_verdict *verdict)
{
    struct weft_slice shown = bearer(request);
    if (shown.data && weft_secret_matches(&policy->owner, shown)) {
        verdict->principal = WEFT_OWNER;
    } else if (!weft_secret_set(&policy->key) || (shown.data && weft_secret_matches(&policy->key, shown))) {
        verdict->principal = WEFT_KEY;
    } else {
        verdict->principal = WEFT_ANONYMOUS;
    }
    if (rules[verdict->route].who & MAY(verdict->principal)) {
        return;
    }
    if (!(rules[verdict->route].who & MAY(WEFT_KEY))) {
        REFUSE(verdict, 401, "owner_token_required",
               "Only this node's owner may do this. Send the token from the owner.token file in the node's folder as "
               "Authorization: Bearer.");
    } else if (shown.data) {
        REFUSE(verdict, 401, "invalid_api_key", "The API key is not the one this node was given.");
    } else {
        REFUSE(verdict, 401, "api_key_required", "This node asks for an API key. Send it as Authorization: Bearer.");
    }
}

/* What is judged here must be what everybody behind us reads: of two, others may take the second. */
static bool says_twice(const struct weft_fields *fields)
{
    static const char *const names[] = {"access-control-request-method", "authorization", "content-type", "origin"};
    for (size_t i = 0; i < WEFT_COUNT(names); i++) {
        if (weft_fields_count(fields, names[i]) > 1) {
            return true;
        }
    }
    return false;
}

static void check_method(const struct weft_request_head *request, unsigned method, bool has_body, bool any_type,
                         struct weft_access_verdict *verdict)
{
    if (verdict->route == WEFT_ROUTE_NONE) {
        REFUSE(verdict, 404, "not_found", "There is nothing at this path.");
    } else if (!(rules[verdict->route].methods & method)) {
        REFUSE(verdict, method ? 405 : 501, method ? "method_not_allowed" : "method_unknown",
               "This path does not answer that method; the Allow header names those it does.");
    } else if (!(method & READ) && has_body && !any_type &&
               !is_json(weft_fields_value(&request->fields, "content-type"))) {
        REFUSE(verdict, 415, "not_json", "The body must be JSON, and say so: Content-Type: application/json.");
    }
}

/* "/mesh/v" and a number that is not 1. */
static bool is_other_version(struct weft_slice target)
{
    struct weft_slice start = WEFT_SLICE("/mesh/v");
    size_t end = start.size;
    if (!weft_slice_starts(target, start)) {
        return false;
    }
    while (end < target.size && target.data[end] >= '0' && target.data[end] <= '9') {
        end++;
    }
    struct weft_slice digits = weft_slice(target.data + start.size, end - start.size);
    return digits.size > 0 && !weft_slice_equal(digits, WEFT_SLICE("1"));
}

/* The mesh's callers. Who they are is known from their key and nothing else, so neither tokens nor names of hosts
 * count; who has shown no key sees nothing but what is for everybody. */
static void check_mesh(const struct weft_request_head *request, bool has_body, const struct weft_caller *caller,
                       struct weft_access_verdict *verdict)
{
    WEFT_ASSERT(caller->principal >= WEFT_MEMBER); /* no owner, nobody with the API key */
    bool link = weft_key_set(&caller->key), may = rules[verdict->route].who & MAY(caller->principal);
    verdict->principal = caller->principal;
    if (!link && rules[verdict->route].who != EVERYBODY) {
        verdict->route = WEFT_ROUTE_NONE;
    } else if (!may) {
        REFUSE(verdict, 403, "not_a_member",
               "This node's key is in no certificate that counts here: join the mesh with an invite, or renew it.");
        return;
    } else if (link && verdict->route == WEFT_ROUTE_NONE && is_other_version(request->target)) {
        REFUSE(verdict, 404, "protocol_unknown",
               "This node speaks version 1 of the mesh's protocol, and no other: see /mesh/v1/hello.");
        return;
    }
    check_method(request, method_of(request->method), has_body, link, verdict);
}

struct weft_access_verdict weft_access_check(const struct weft_access_policy *policy,
                                             const struct weft_request_head *request, bool has_body,
                                             const struct weft_caller *caller)
{
    struct weft_access_verdict verdict = {.route = WEFT_ROUTE_NONE, .principal = WEFT_ANONYMOUS};
    if (!caller->mesh && !caller->local && !host_is_ours(policy, request->authority)) {
        REFUSE(&verdict, 421, "wrong_host",
               "This node does not go by that name. If the name is yours, add it to hosts in the configuration.");
        return verdict;
    }
    if (says_twice(&request->fields)) {
        REFUSE(&verdict, 400, "header_twice",
               "Authorization, Content-Type and Origin may stand in a request once, and one of them stands twice.");
        return verdict;
    }
    unsigned method = method_of(request->method);
    verdict.route = route_of(request->target, caller->mesh);
    verdict.allow = rules[verdict.route].allow;
    check_origin(policy, request, method == OPTIONS ? GET : method, &verdict);
    if (caller->mesh && !verdict.refusal.status) {
        check_mesh(request, has_body, caller, &verdict);
        return verdict;
    }
    if (verdict.refusal.status) {
        return verdict;
    }
    bool whole_server = weft_slice_equal(request->target, WEFT_SLICE("*"));
    if (method == OPTIONS && (verdict.route != WEFT_ROUTE_NONE || whole_server)) {
        check_options(request, &verdict);
        return verdict;
    }
    check_principal(policy, request, &verdict);
    if (!verdict.refusal.status) {
        check_method(request, method, has_body, false, &verdict);
    }
    return verdict;
}
