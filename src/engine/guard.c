/* engine/guard.c - the ends that a model, its template or a client can bring the engine to: each has its exit status.
 *
 * What runs here runs in signal handlers, so it only writes and ends: nothing of it may allocate or lock. */
#include "engine/guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <ggml.h>

#include "base/assert.h"
#include "base/error.h"

#define LINE_MAX_SHOWN 200

/* Async-signal-safe, and nothing that is said here holds anything of the content. */
_Noreturn static void end(enum weft_engine_exit status, const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text)); /* whether it is heard or not, the end comes */
    (void)ignored;
    _exit((int)status);
}

void weft_guard_end_memory(void)
{
    end(WEFT_ENGINE_EXIT_MEMORY, "weft-engine: out of memory: libllama could not go on without it.\n");
}

void weft_guard_end_abort(void)
{
    end(WEFT_ENGINE_EXIT_ABORT, "weft-engine: libllama ended on an error that it does not handle.\n");
}

void weft_guard_end_sandbox(int call)
{
    char line[] = "weft-engine: the sandbox stopped system call number     0.\n";
    char *digit = strchr(line, '0');
    for (unsigned rest = (unsigned)call % 100000; rest > 0; rest /= 10) { /* printf is not safe here */
        *digit-- = (char)('0' + rest % 10);
    }
    end(WEFT_ENGINE_EXIT_SANDBOX, line);
}

static void on_time_over(int number)
{
    (void)number;
    end(WEFT_ENGINE_EXIT_TEMPLATE,
        "weft-engine: a chat template or grammar ran longer than it may, and only ending the engine stops it.\n");
}

/* "/its/path/ggml.c:123: GGML_ASSERT(...) failed": the place is libllama's own and worth knowing; what comes after it
 * could hold a name out of the model. */
static void on_ggml_abort(const char *message)
{
    char line[LINE_MAX_SHOWN];
    const char *name = message;
    for (const char *at = message; *at && *at != ':'; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
    }
    size_t size = strcspn(name, ":");
    size += name[size] == ':' ? 1 + strspn(name + size + 1, "0123456789") : 0;
    (void)snprintf(line, sizeof(line), "weft-engine: libllama gave up on itself at %.*s.\n",
                   (int)(size < LINE_MAX_SHOWN / 2 ? size : LINE_MAX_SHOWN / 2), name);
    end(WEFT_ENGINE_EXIT_ABORT, line);
}

int weft_guard_setup(void)
{
    struct sigaction over = {.sa_handler = on_time_over};
    /* libllama would start a debugger otherwise. */
    if (sigemptyset(&over.sa_mask) != 0 || sigaction(SIGALRM, &over, NULL) != 0 ||
        setenv("GGML_NO_BACKTRACE", "1", 1) != 0) {
        return WEFT_ERR_IO;
    }
    (void)ggml_set_abort_callback(on_ggml_abort);
    return 0;
}

#ifdef __linux__

static timer_t timer; /* of the one thread that renders; they do not nest */
static bool timer_made;

void weft_guard_begin(uint32_t ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec limit = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};
    WEFT_ASSERT(!timer_made && ms > 0);
    /* Of the calling thread's CPU time: a busy machine is not the template's fault, ggml's threads neither. */
    timer_made = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
    if (!timer_made || timer_settime(timer, 0, &limit, NULL) != 0) {
        (void)alarm(ms / 1000 + 1); /* the kernel has no timer left: by the wall's clock then */
    }
}

void weft_guard_end(void)
{
    (void)alarm(0);
    if (timer_made) {
        (void)timer_delete(timer); /* fails only for one that is none */
        timer_made = false;
    }
}

#else

/* The process's CPU time: macOS has none of a thread. ggml's threads count, so the limit may come early. */
static void set_limit(uint32_t ms)
{
    struct itimerval limit = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
    (void)setitimer(ITIMER_PROF, &limit, NULL); /* fails only for a bad number */
}

void weft_guard_begin(uint32_t ms)
{
    (void)signal(SIGPROF, on_time_over);
    set_limit(ms);
}

void weft_guard_end(void)
{
    set_limit(0);
}

#endif
