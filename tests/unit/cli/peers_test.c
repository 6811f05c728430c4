/* tests/unit/cli/peers_test.c - `weft peers`: what it prints of what a node, played here, answers. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/command.h"
#include "node/node.h"
#include "wire/json.h"

#define HEADS "NODE          ROLE     STATE           REACHED                  TOKENS/S  HEARD    MODELS\n"
#define ID    "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"

static char home[64], token[128], url[64], out[8192], err[2048];
static int listener;

static int setup(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    (void)snprintf(home, sizeof(home), "/tmp/weft-peers-XXXXXX");
    assert_non_null(mkdtemp(home));
    (void)snprintf(token, sizeof(token), "%s/" WEFT_NODE_TOKEN_FILE, home);
    FILE *file = fopen(token, "w");
    assert_non_null(file);
    assert_true(fputs("owners\n", file) >= 0 && fclose(file) == 0 && chmod(token, 0600) == 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return close(listener) == 0 && unlink(token) == 0 && rmdir(home) == 0 ? 0 : -1;
}

/* A child's: it answers one request, and must have been asked as the owner does. */
static int answer_one(const char *answer)
{
    char request[4096] = "";
    size_t size = 0;
    int peer = accept(listener, NULL, NULL);
    while (!strstr(request, "\r\n\r\n")) {
        ssize_t got = read(peer, request + size, sizeof(request) - 1 - size);
        if (got <= 0) {
            return 1;
        }
        size += (size_t)got;
        request[size] = '\0';
    }
    bool right = strncmp(request, "GET /weft/v1/mesh HTTP/1.1\r\n", 28) == 0 && strstr(request, "Bearer owners\r\n");
    return dprintf(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(answer),
                   answer) > 0 &&
                   close(peer) == 0 && right
               ? 0
               : 1;
}

static void take(FILE *file, char *text, size_t room)
{
    rewind(file);
    size_t size = fread(text, 1, room - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* Its exit status; what it prints is in `out` and `err`. */
static int peers(const char *answer, const char *more)
{
    char *words[] = {"--url", url, "--home", home, (char *)(uintptr_t)more};
    FILE *files[] = {tmpfile(), tmpfile()};
    int kept[] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)}, status;
    assert_true(files[0] && files[1] && kept[0] >= 0 && kept[1] >= 0 && fflush(NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(answer_one(answer));
    }
    assert_true(child > 0);
    assert_true(dup2(fileno(files[0]), STDOUT_FILENO) >= 0 && dup2(fileno(files[1]), STDERR_FILENO) >= 0);
    int exit = weft_peers_run(more ? 5 : 4, words);
    (void)fflush(NULL);
    (void)dup2(kept[0], STDOUT_FILENO);
    (void)dup2(kept[1], STDERR_FILENO);
    assert_true(close(kept[0]) == 0 && close(kept[1]) == 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    take(files[0], out, sizeof(out));
    take(files[1], err, sizeof(err));
    assert_int_equal(weft_mem_live(), 0);
    return exit;
}

static void a_line_says_who_what_how_fast_how_reached_and_when(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"id\":\"x\",\"mesh\":\"y\",\"gateways\":[{\"id\":\"z\"}],\"peers\":["
        "{\"id\":\"" ID "\",\"role\":\"gateway\",\"state\":\"alive\",\"since_ms\":60000,\"path\":\"direct\","
        "\"gateway\":null,\"heard_ms\":59999,\"speed\":null,\"models\":[]},"
        "{\"id\":\"b" ID "\",\"role\":\"peer\",\"state\":\"suspect\",\"since_ms\":7200000,\"path\":\"relayed\","
        "\"gateway\":\"" ID "\",\"heard_ms\":200000000,\"speed\":12.34,"
        "\"models\":[{\"name\":\"One\"},{\"name\":\"Zwei-\xc3\xa4\"}]},"
        "{\"id\":\"c" ID "\",\"role\":\"client\",\"state\":\"gone\",\"since_ms\":0,\"path\":null,"
        "\"gateway\":null,\"heard_ms\":999,\"speed\":null,\"models\":[]}],\"peers_known\":3}";
    assert_int_equal(peers(answer, NULL), WEFT_EXIT_OK);
    assert_string_equal(
        out,
        HEADS "abcdefghijkl  gateway  alive 1 min     direct                          -  59 s     -\n"
              "babcdefghijk  peer     suspect 2 h     relayed by abcdefghijkl      12.3  2 d      One, Zwei-\xc3\xa4\n"
              "cabcdefghijk  client   gone 0 s        -                               -  0 s      -\n");
    assert_string_equal(err, "");
}

static void a_terminal_is_told_nothing_by_strangers(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"mesh\":\"y\",\"gateways\":[],\"peers\":[{\"id\":\"\\u001b[2J" ID "\",\"role\":\"p\\nr\","
        "\"state\":\"al\\u007five\",\"since_ms\":0,\"path\":\"re\\u0007\",\"gateway\":\"\\u202e\",\"heard_ms\":0,"
        "\"speed\":1,\"models\":[{\"name\":\"a\\u001b]0;b\\u0007\"},{\"name\":\"\\u009b31m\\u2028\"}]}],"
        "\"peers_known\":1}";
    assert_int_equal(peers(answer, NULL), WEFT_EXIT_OK);
    assert_string_equal(out, HEADS "?[2Jabcdefgh  p?r      al?ive 0 s      re? by ?                      1.0  0 s      "
                                   "a?]0;b?, ?31m?\n");
    assert_int_equal(peers("{\"mesh\":\"y\",\"gateways\":[],\"peers\":[],\"gateway_problem\":\"No\\u001b.\"}", NULL),
                     WEFT_EXIT_OK);
    assert_string_equal(out, "Nobody else is known here. No?.\n");
}

static void who_knows_nobody_is_told_why(void **state)
{
    (void)state;
    assert_int_equal(peers("{\"mesh\":\"y\",\"gateways\":[{\"id\":\"z\"}],\"peers\":[],\"peers_known\":0}", NULL),
                     WEFT_EXIT_OK);
    assert_string_equal(out,
                        "Nobody else is known here. This node is attached to a gateway, which will tell of others.\n");
    assert_int_equal(peers("{\"mesh\":\"y\",\"gateways\":[],\"peers\":[],\"peers_known\":0}", NULL), WEFT_EXIT_OK);
    assert_string_equal(out, "Nobody else is known here. This node is attached to no gateway now.\n");
    assert_int_equal(peers("{\"id\":null,\"mesh\":null}", NULL), WEFT_EXIT_FAILURE);
    assert_string_equal(out, "");
    assert_non_null(strstr(err, "weft: this node is in no mesh: join one"));
}

static void how_many_are_not_shown_is_said(void **state)
{
    (void)state;
    assert_int_equal(peers("{\"mesh\":\"y\",\"gateways\":[],\"peers\":[{\"id\":\"a\"}],\"peers_known\":2000}", NULL),
                     WEFT_EXIT_OK);
    assert_string_equal(out,
                        HEADS "a                       0 s            -                               -  0 s      -\n"
                              "... of 2000 that are known\n");
}

static void a_program_gets_what_the_node_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {"{\"id\":null,\"mesh\":null}",
                                          "{\"mesh\":\"y\",\"peers\":[{\"id\":\"\\u001b\"}],\"peers_known\":1}"};
    for (size_t i = 0; i < WEFT_COUNT(answers); i++) {
        assert_int_equal(peers(answers[i], "--json"), WEFT_EXIT_OK);
        assert_memory_equal(out, answers[i], strlen(answers[i]));
        assert_string_equal(out + strlen(answers[i]), "\n");
        assert_string_equal(err, "");
    }
}

int main(void)
{
    weft_json_setup(42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_what_how_fast_how_reached_and_when),
        cmocka_unit_test(a_terminal_is_told_nothing_by_strangers),
        cmocka_unit_test(who_knows_nobody_is_told_why),
        cmocka_unit_test(how_many_are_not_shown_is_said),
        cmocka_unit_test(a_program_gets_what_the_node_answers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
