/* service_main() from outside: a child process per case. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "common/daemon/service.h"
#include "quorate-config.h"
#include "tests/support/test.h"

struct sample_config {
        uint64_t count;
};

static const struct config_key keys[] = {
        CONFIG_INT(sample_config, count, "count", "3", 1, 9, "how many"),
        {},
};

static int report = -1; /* where the service says what it did, one letter each */
static struct loop_source *done;

static void say(char letter) {
        check(write(report, &letter, 1) == 1);
}

static int start(struct service_context *ctx, void **ret) {
        const struct sample_config *c = ctx->config;

        say((char) ('0' + c->count));
        *ret = ctx;
        return 0;
}

static int start_badly(struct service_context *ctx, void **ret) {
        return error_origin(-EADDRINUSE);
}

#define COUNT_REFUSED 8 /* well-formed, but not for this service while it runs */

static int reload(struct service_context *ctx, void *s) {
        const struct sample_config *c = ctx->config;

        if (c->count == COUNT_REFUSED) {
                say('r');
                return service_refuse();
        }
        say((char) ('0' + c->count));
        return 0;
}

static int on_done(void *userdata) {
        service_drained(userdata);
        return 0;
}

static void drain(struct service_context *ctx, void *s) {
        say('d');
        check(loop_add_defer(ctx->loop, on_done, ctx, &done) == 0);
        check(loop_defer(done) == 0);
}

/* Says which configuration was in force last. */
static void *stop(struct service_context *ctx, void *s) {
        const struct sample_config *c = ctx->config;

        say('s');
        say((char) ('0' + c->count));
        done = loop_source_free(done);
        return NULL;
}

static const struct service good = { .name = "dht",
                                     .keys = keys,
                                     .config_size = sizeof(struct sample_config),
                                     .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NO_EXEC },
                                     .start = start,
                                     .reload = reload,
                                     .drain = drain,
                                     .stop = stop };
static const struct service bad = { .name = "dht",
                                    .keys = keys,
                                    .config_size = sizeof(struct sample_config),
                                    .start = start_badly,
                                    .stop = stop };

/* ---- threads made in start() are confined as well ---- */

static void *idle(void *unused) {
        (void) pause();
        return NULL;
}

static bool line_is(const char *path, const char *want) {
        FILE *f = fopen(path, "re");
        char line[256];
        bool found = false;

        while (f && !found && fgets(line, sizeof(line), f))
                found = strcmp(line, want) == 0;
        if (f)
                (void) fclose(f);
        return found;
}

static int start_thread(struct service_context *ctx, void **ret) {
        pthread_t thread;
        char path[64];
        DIR *tasks;
        char letter = 'y';
        int n = 0;

        check(pthread_create(&thread, NULL, idle, NULL) == 0);
        tasks = opendir("/proc/self/task");
        for (struct dirent *d; (d = readdir(tasks));) {
                if (d->d_name[0] == '.')
                        continue;
                n++;
                (void) snprintf(path, sizeof(path), "/proc/self/task/%.16s/status", d->d_name);
                if (!line_is(path, "Seccomp:\t2\n") || !line_is(path, "NoNewPrivs:\t1\n") ||
                    !line_is(path, "CapEff:\t0000000000000000\n"))
                        letter = 'n';
        }
        (void) closedir(tasks);
        say(n == 2 ? letter : '?');
        return 0;
}

static const struct service threaded = { .name = "dht",
                                         .keys = keys,
                                         .config_size = sizeof(struct sample_config),
                                         .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NO_FORK },
                                         .start = start_thread };

static pid_t spawn(const struct service *s, const char *option, const char *value,
                   int *ret_report) {
        char *argv[] = { (char *) "test", (char *) option, (char *) value, NULL };
        int fds[2], null;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                report = fds[1];
                null = open("/dev/null", O_WRONLY);
                (void) dup2(null, 1);
                (void) dup2(null, 2);
                _exit(service_main(value ? 3 : option ? 2 : 1, argv, s));
        }
        close(fds[1]);
        *ret_report = fds[0];
        return pid;
}

static int exit_of(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static char read_letter(int fd) {
        char letter = 0;

        assert_int_equal(read(fd, &letter, 1), 1);
        return letter;
}

static const struct {
        const char *name, *option, *value, *environment;
        const struct service *service;
        int want;
} exits[] = {
        { "help", "--help", NULL, NULL, &good, SERVICE_EXIT_OK },
        { "version", "--version", NULL, NULL, &good, SERVICE_EXIT_OK },
        { "help-config", "--help-config", NULL, NULL, &good, SERVICE_EXIT_OK },
        { "check-config", "--check-config", NULL, "4", &good, SERVICE_EXIT_OK },
        { "check-config, bad", "--check-config", NULL, "0", &good, SERVICE_EXIT_CONFIG },
        { "bad configuration", NULL, NULL, "ten", &good, SERVICE_EXIT_CONFIG },
        { "missing file", "--config", "/does/not/exist", NULL, &good, SERVICE_EXIT_CONFIG },
        { "unknown option", "--frobnicate", NULL, NULL, &good, SERVICE_EXIT_USAGE },
        { "argument", "now", NULL, NULL, &good, SERVICE_EXIT_USAGE },
        { "bad level", "--log", "loud", NULL, &good, SERVICE_EXIT_USAGE },
        { "cannot start", NULL, NULL, NULL, &bad, SERVICE_EXIT_FAULT },
};

static void test_exits(void **state) {
        FOREACH_CASE (c, exits) {
                int fd;

                if (c->environment)
                        setenv("QUORATE_DHT_COUNT", c->environment, 1);
                assert_int_equal(exit_of(spawn(c->service, c->option, c->value, &fd)), c->want);
                close(fd);
                unsetenv("QUORATE_DHT_COUNT");
        }
}

static void put_text(const char *path, const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void test_threads(void **state) {
        pid_t pid;
        int fd;

        if (QUORATE_SANITIZED)
                skip();
        pid = spawn(&threaded, NULL, NULL, &fd);
        assert_int_equal(read_letter(fd), 'y');
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(exit_of(pid), SERVICE_EXIT_OK);
        close(fd);
}

static void hang_up(pid_t pid, const char *path, const char *text) {
        put_text(path, text);
        assert_int_equal(kill(pid, SIGHUP), 0);
}

/* A new configuration that is malformed, or refused by the service, changes nothing;
 * SIGTERM drains, then stops. */
static void test_life(void **state) {
        char path[] = "/tmp/quorate-test-XXXXXX";
        int made = mkstemp(path), fd;
        pid_t pid;

        assert_true(made >= 0);
        close(made);
        put_text(path, "[dht]\ncount = 5\n");
        pid = spawn(&good, "--config", path, &fd);
        assert_int_equal(read_letter(fd), '5');
        hang_up(pid, path, "[dht]\ncount = 99\n");
        (void) usleep(50000);
        hang_up(pid, path, "[dht]\ncount = 7\n");
        assert_int_equal(read_letter(fd), '7');
        hang_up(pid, path, "[dht]\ncount = 8\n");
        assert_int_equal(read_letter(fd), 'r');
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(read_letter(fd), 'd');
        assert_int_equal(read_letter(fd), 's');
        assert_int_equal(read_letter(fd), '7');
        assert_int_equal(exit_of(pid), SERVICE_EXIT_OK);
        close(fd);
        assert_int_equal(unlink(path), 0);
}

/* Handed down as a supervisor does it, found again by name in the child. */
static void test_listeners(void **state) {
        static const char *const names[] = { "transport/streams", "transport/streams.data" };
        char folder[] = "/tmp/quorate-test-XXXXXX", path[128];
        int fds[2], status;
        pid_t pid;

        assert_non_null(mkdtemp(folder));
        for (int i = 0; i < 2; i++) {
                (void) snprintf(path, sizeof(path), "%s/a/%d", folder, i);
                fds[i] = listen_create(path, CAPABILITY_BUS, 0600);
                assert_true(fds[i] >= 0);
        }
        pid = fork();
        if (pid == 0) {
                struct sockaddr_un address;
                socklen_t n = sizeof(address);

                check(listen_hand_down(fds, names, 2) == 0 && listen_init() == 0);
                check(listen_take("transport/peers") < 0);
                check(getsockname(listen_take("transport/streams.data"),
                                  (struct sockaddr *) &address, &n) == 0);
                check(address.sun_path[strlen(address.sun_path) - 1] == '1');
                check(listen_take("transport/streams.data") < 0); /* taken */
                check(!getenv("LISTEN_FDS"));
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_true(listen_create(path, CAPABILITY_SEQPACKET, 0600) >= 0); /* a stale one goes */
        for (int i = 0; i < 2; i++) {
                (void) snprintf(path, sizeof(path), "%s/a/%d", folder, i);
                assert_int_equal(unlink(path), 0);
        }
        put_text(path, "not a socket");
        assert_int_equal(listen_create(path, CAPABILITY_BUS, 0600), -EEXIST);
        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof(path), "%s/a", folder);
        assert_int_equal(rmdir(path) | rmdir(folder), 0);
}

/* A second worker listens nowhere: that is no error, and what its supervisor had is not its own. */
static void test_no_listeners(void **state) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                check(setenv("LISTEN_FDS", "1", 1) == 0 && listen_hand_down(NULL, NULL, 0) == 0);
                check(listen_init() == 0 && listen_take("transport/streams") < 0);
                check(!getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES") && !getenv("LISTEN_PID"));
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* The table agrees with itself. */
static void test_capabilities(void **state) {
        char path[CAPABILITY_PATH_SIZE], deep[120];

        for (const struct capability_right *r = capability_rights; r->service; r++) {
                assert_true(capability_is_service(r->service));
                assert_non_null(capability_find(r->capability));
                assert_false(capability_is_of(capability_find(r->capability), r->service));
        }
        assert_true(capability_may_use("transport", "keyring/transport"));
        assert_false(capability_may_use("transport", "keyring/requester"));
        assert_false(capability_may_use("worker", "transport/streams"));
        assert_int_equal(capability_path("/run/quorate", "dht/lookup", true, path), 0);
        assert_string_equal(path, "/run/quorate/dht/lookup.data");
        memset(deep, 'x', sizeof(deep) - 1);
        deep[sizeof(deep) - 1] = 0;
        assert_int_equal(capability_path(deep, "dht/lookup", false, path), CAPABILITY_E_TOO_LONG);
}

TEST_MAIN(cmocka_unit_test(test_exits), cmocka_unit_test(test_threads), cmocka_unit_test(test_life),
          cmocka_unit_test(test_listeners), cmocka_unit_test(test_no_listeners),
          cmocka_unit_test(test_capabilities))
