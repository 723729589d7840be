#include "tests/support/node.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/listen.h"

static const struct {
        const char *name, *capability;
        enum capability_type type;
        bool of_keyring, is_data;
} sockets[NODE_SOCKETS] = {
        { "keyring/transport", "keyring/transport", CAPABILITY_SEQPACKET, true, false },
        { "transport/streams", "transport/streams", CAPABILITY_STREAMS, false, false },
        { "transport/streams.data", "transport/streams", CAPABILITY_STREAMS, false, true },
        { "transport/peers", "transport/peers", CAPABILITY_BUS, false, false },
        { "transport/events", "transport/events", CAPABILITY_BUS, false, false },
};

static const char *program(const char *variable) {
        const char *path = getenv(variable);

        if (!path) {
                (void) fprintf(stderr, "# %s must name the program\n", variable);
                abort();
        }
        return path;
}

static int wait_for(pid_t pid) {
        int status;

        check(waitpid(pid, &status, 0) == pid);
        return status;
}

static void run(char *const *argv) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) dup2(STDERR_FILENO, STDOUT_FILENO);
                execv(argv[0], argv);
                _exit(127);
        }
        check(wait_for(pid) == 0);
}

/* Does not return. The sockets of the service get their places from 3 on. */
static void become(const struct test_node *n, const char *service, const char *path) {
        char *argv[] = { (char *) path,
                         (char *) "--state",
                         xasprintf("%s/state/%s", n->folder, service),
                         (char *) "--runtime",
                         (char *) n->folder,
                         (char *) "--config",
                         xasprintf("%s/quorate.conf", n->folder),
                         (char *) "--log",
                         getenv("QUORATE_TEST_LOG") ? getenv("QUORATE_TEST_LOG") : (char *) "error",
                         NULL };
        const char *names[NODE_SOCKETS];
        int fds[NODE_SOCKETS];
        unsigned count = 0;

        for (size_t i = 0; i < NODE_SOCKETS; i++) {
                if (sockets[i].of_keyring != (strcmp(service, "keyring") == 0))
                        continue;
                fds[count] = n->fds[i];
                names[count++] = sockets[i].name;
        }
        if (listen_hand_down(fds, names, count) == 0)
                execv(path, argv);
        _exit(127);
}

static pid_t start(const struct test_node *n, const char *service, const char *variable) {
        const char *path = program(variable);
        pid_t pid = fork();

        check(pid >= 0);
        if (pid == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) /* a failed test leaves nobody */
                become(n, service, path);
        return pid;
}

void test_node_start_transport(struct test_node *n) {
        n->transport = start(n, "transport", "QUORATE_TRANSPORT");
}

static void write_config(const struct test_node *n) {
        CLEANUP(freep) char *path = xasprintf("%s/quorate.conf", n->folder);
        FILE *f = fopen(path, "we");

        check(f);
        (void) fprintf(f, "[transport]\n%s%s\n",
                       strstr(n->config, "listen") ? "" : "listen = /ip4/127.0.0.1/udp/0/quic-v1\n",
                       n->config);
        check(fclose(f) == 0);
}

static void make_folder(const struct test_node *n, const char *name) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", n->folder, name);

        check(mkdir(path, 0700) == 0);
}

static void mint(const struct test_node *n) {
        CLEANUP(freep) char *seed = xasprintf("%s/state/keyring/seed", n->folder);
        char *argv[] = { (char *) program("QUORATE_KEYRING"),
                         (char *) "--new",
                         seed,
                         (char *) "--difficulty",
                         (char *) "0",
                         NULL };

        run(argv);
}

struct test_node *test_node_prepare(const char *config) {
        struct test_node *n = xnew(struct test_node);

        strcpy(n->folder, "/tmp/quorate-node-XXXXXX");
        check(mkdtemp(n->folder));
        n->config = xstrdup(config);
        make_folder(n, "state");
        make_folder(n, "state/keyring");
        make_folder(n, "state/transport");
        write_config(n);
        mint(n);
        for (size_t i = 0; i < NODE_SOCKETS; i++) {
                check(capability_path(n->folder, sockets[i].capability, sockets[i].is_data,
                                      n->paths[i]) == 0);
                n->fds[i] = listen_create(n->paths[i], sockets[i].type, 0600);
                check(n->fds[i] >= 0);
        }
        n->keyring = start(n, "keyring", "QUORATE_KEYRING");
        return n;
}

struct test_node *test_node_new(const char *config) {
        struct test_node *n = test_node_prepare(config);

        test_node_start_transport(n);
        return n;
}

/* Cleanly, unless it had not even come to handle signals. */
static void stop(pid_t *pid) {
        int status;

        check(kill(*pid, SIGTERM) == 0);
        status = wait_for(*pid);
        check(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
        *pid = 0;
}

void test_node_restart_keyring(struct test_node *n) {
        stop(&n->keyring);
        n->keyring = start(n, "keyring", "QUORATE_KEYRING");
}

void test_node_change_key(struct test_node *n) {
        CLEANUP(freep) char *seed = xasprintf("%s/state/keyring/seed", n->folder);

        check(n->transport == 0 && unlink(seed) == 0);
        mint(n);
        test_node_restart_keyring(n);
}

void test_node_set_config(struct test_node *n, const char *config) {
        free(n->config);
        n->config = xstrdup(config);
        write_config(n);
}

static void read_all(int fd, char *ret, size_t size) {
        size_t len = 0;
        ssize_t n;

        while (len < size - 1 && (n = read(fd, ret + len, size - 1 - len)) > 0)
                len += (size_t) n;
        ret[len] = '\0';
}

int test_node_try_transport(struct test_node *n, char *said, size_t size) {
        int fds[2], status, saved = dup(STDERR_FILENO);

        check(saved >= 0 && pipe2(fds, O_CLOEXEC) == 0);
        check(dup2(fds[1], STDERR_FILENO) >= 0);
        test_node_start_transport(n);
        check(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(saved);
        (void) close(fds[1]);
        read_all(fds[0], said, size);
        (void) close(fds[0]);
        status = wait_for(n->transport);
        n->transport = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void test_node_kill_transport(struct test_node *n) {
        check(kill(n->transport, SIGKILL) == 0);
        (void) wait_for(n->transport);
        n->transport = 0;
}

void test_node_stop_transport(struct test_node *n) {
        stop(&n->transport);
}

struct test_node *test_node_free(struct test_node *n) {
        char *argv[] = { (char *) "/bin/rm", (char *) "-r", n->folder, NULL };

        if (n->transport)
                stop(&n->transport);
        stop(&n->keyring);
        for (size_t i = 0; i < NODE_SOCKETS; i++)
                (void) close(n->fds[i]);
        run(argv);
        free(n->config);
        free(n);
        return NULL;
}

long test_node_rss(const struct test_node *n, bool peak) {
        CLEANUP(freep) char *path = xasprintf("/proc/%d/status", (int) n->transport);
        FILE *f = fopen(path, "re");
        char line[256];
        long kib = -1;

        check(f);
        while (kib < 0 && fgets(line, sizeof(line), f))
                (void) sscanf(line, peak ? "VmHWM: %ld" : "VmRSS: %ld", &kib);
        (void) fclose(f);
        return kib;
}

const char *test_node_path(const struct test_node *n, const char *capability) {
        for (size_t i = 0; i < NODE_SOCKETS; i++)
                if (strcmp(sockets[i].name, capability) == 0)
                        return n->paths[i];
        return NULL;
}
