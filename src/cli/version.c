/* cli/version.c - `weft version`: which weft this is, and which libraries it runs with. */
#include <jansson.h>
#include <llhttp/llhttp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/version.h"
#include "sys/program.h"

#define WEFT_VERSION_ENGINE_MAX 1024 /* bytes of what weft-engine says of itself: three lines */

const char *const weft_version = WEFT_VERSION;

/* libllama and the CPU variant are the engine's to know: weft itself never loads them. */
static void print_engine(void)
{
    char program[WEFT_PROGRAM_PATH_MAX], said[WEFT_VERSION_ENGINE_MAX];
    int status = weft_program_beside("weft-engine", program);
    if (status == 0) {
        status = weft_program_output((const char *const[]){program, "--version", NULL}, said, sizeof(said));
    }
    if (status == 0) {
        printf("%s", said);
    } else {
        printf("weft-engine does not run (%s): without it beside weft there are no models of our own. "
               "`make run` builds it.\n",
               weft_error_text(status));
    }
}

int weft_version_run(int argc, char **argv)
{
    if (argc > 0) {
        return weft_help_unexpected("version", argv[0]);
    }
    printf("weft %s (%s)\n", WEFT_VERSION, WEFT_COMMIT);
    /* As loaded now, not as built with: the one that matters when something is wrong. llhttp is built in. */
    printf("libuv %s, llhttp %d.%d.%d, nghttp2 %s, OpenSSL %s, libsodium %s, jansson %s, libyaml %s\n",
           uv_version_string(), LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH,
           nghttp2_version(0)->version_str, OpenSSL_version(OPENSSL_VERSION_STRING), sodium_version_string(),
           jansson_version_str(), yaml_get_version_string());
    print_engine();
    return fflush(stdout) == 0 ? WEFT_EXIT_OK : WEFT_EXIT_FAILURE;
}
