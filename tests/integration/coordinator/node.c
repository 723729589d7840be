#include "tests/integration/coordinator/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "common/daemon/loop.h"
#include "proto/coordinator.pb-c.h"

static const struct {
        const char *name, *variable;
} programs[_NODE_SERVICES] = {
        [NODE_KEYRING] = { "keyring", "QUORATE_KEYRING" },
        [NODE_COORDINATOR] = { "coordinator", "QUORATE_COORDINATOR" },
        [NODE_WORKER] = { "worker", "QUORATE_WORKER" },
};

static const struct {
        enum node_service owner;
        const char *name;
} sockets[] = {
        { NODE_KEYRING, "keyring/requester" },     { NODE_KEYRING, "keyring/host" },
        { NODE_COORDINATOR, "coordinator/query" }, { NODE_COORDINATOR, "coordinator/admin" },
        { NODE_COORDINATOR, "coordinator/jobs" },
};

static const char *program(enum node_service s) {
        const char *path = getenv(programs[s].variable);

        assert_non_null(path);
        return path;
}

static void listen_on(struct node *n, enum node_service owner, const char *name, bool data,
                      enum capability_type type) {
        char path[CAPABILITY_PATH_SIZE];
        size_t i = n->n_fds++;

        assert_true(i < NODE_FDS_MAX);
        assert_int_equal(capability_path(n->runtime, name, data, path), 0);
        snprintf(n->names[i], sizeof(n->names[i]), "%s%s", name, data ? ".data" : "");
        n->fds[i] = listen_create(path, type, 0600);
        assert_true(n->fds[i] >= 0);
        n->owner[i] = owner;
}

static void mint(const struct node *n) {
        char seed[160];
        int status;
        pid_t pid;

        snprintf(seed, sizeof(seed), "%s/state/keyring/seed", n->folder);
        pid = fork();
        if (pid == 0) {
                int null = open("/dev/null", O_WRONLY);

                (void) dup2(null, STDOUT_FILENO);
                execl(program(NODE_KEYRING), "quorate-keyring", "--new", seed, "--difficulty", "0",
                      NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void make_folder(const struct node *n, const char *below, const char *name) {
        char path[160];

        snprintf(path, sizeof(path), "%s/%s%s", n->folder, below, name);
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
}

static void write_config(const struct node *n, const char *text) {
        char path[160];
        FILE *f;

        snprintf(path, sizeof(path), "%s/conf/quorate.conf", n->folder);
        f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

void node_init(struct node *n, const char *config) {
        memset(n, 0, sizeof(*n));
        strcpy(n->folder, "/tmp/quorate-node-XXXXXX");
        assert_non_null(mkdtemp(n->folder));
        snprintf(n->runtime, sizeof(n->runtime), "%s/run", n->folder);
        make_folder(n, "", "run");
        make_folder(n, "", "state");
        make_folder(n, "", "conf");
        for (int i = 0; i < _NODE_SERVICES; i++)
                make_folder(n, "state/", programs[i].name);
        write_config(n, config ? config : "");
        mint(n);
        for (size_t i = 0; i < ELEMENTSOF(sockets); i++) {
                const struct capability *c = capability_find(sockets[i].name);

                listen_on(n, sockets[i].owner, c->name, false, c->type);
                if (c->type == CAPABILITY_STREAMS)
                        listen_on(n, sockets[i].owner, c->name, true, c->type);
        }
}

static void become(struct node *n, enum node_service s) {
        char state[160], config[160];
        const char *names[NODE_FDS_MAX];
        int fds[NODE_FDS_MAX];
        unsigned n_fds = 0;
        char *argv[] = { (char *) program(s),
                         (char *) "--state",
                         state,
                         (char *) "--runtime",
                         n->runtime,
                         (char *) "--config",
                         config,
                         (char *) "--log",
                         (char *) "warning",
                         NULL };

        snprintf(state, sizeof(state), "%s/state/%s", n->folder, programs[s].name);
        snprintf(config, sizeof(config), "%s/conf", n->folder);
        for (size_t i = 0; i < n->n_fds; i++)
                if (n->owner[i] == s) {
                        fds[n_fds] = n->fds[i];
                        names[n_fds++] = n->names[i];
                }
        if (n_fds == 0 || listen_hand_down(fds, names, n_fds) == 0)
                execv(argv[0], argv);
        _exit(127);
}

void node_start(struct node *n, enum node_service service) {
        assert_int_equal(n->pids[service], 0);
        n->pids[service] = fork();
        assert_true(n->pids[service] >= 0);
        if (n->pids[service] == 0)
                become(n, service);
}

void node_start_all(struct node *n) {
        for (int i = 0; i < _NODE_SERVICES; i++)
                node_start(n, (enum node_service) i);
        for (int i = 0; i < 200 && node_status(n, "workers") < 1; i++)
                usleep(50000);
        assert_int_equal(node_status(n, "workers"), 1);
}

void node_kill(struct node *n, enum node_service service, int signo) {
        int status;

        assert_int_equal(kill(n->pids[service], signo), 0);
        assert_int_equal(waitpid(n->pids[service], &status, 0), n->pids[service]);
        if (signo == SIGTERM)
                assert_int_equal(status, 0);
        n->pids[service] = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

void node_done(struct node *n) {
        for (int i = _NODE_SERVICES - 1; i >= 0; i--)
                if (n->pids[i] > 0)
                        node_kill(n, (enum node_service) i, SIGTERM);
        for (size_t i = 0; i < n->n_fds; i++)
                close(n->fds[i]);
        assert_int_equal(nftw(n->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- Status ---- */

struct asking {
        const char *what;
        long value;
        bool is_done;
};

static void on_status(void *userdata, const struct rpc_result *result) {
        const Coordinator__AdminStatus *in = result->message;
        struct asking *a = userdata;

        a->is_done = true;
        if (result->code != RPC_OK)
                return;
        if (strcmp(a->what, "workers") == 0)
                a->value = in->workers;
        for (size_t i = 0; i < in->n_metrics; i++)
                if (strstr(in->metrics[i]->name, a->what))
                        a->value = (long) in->metrics[i]->value;
}

long node_status(struct node *n, const char *what) {
        struct asking a = { .what = what, .value = -1 };
        Types__Empty empty = TYPES__EMPTY__INIT;
        char path[CAPABILITY_PATH_SIZE];
        struct bus_client_options o = { .path = path, .service = "test" };
        struct rpc_client *client;
        struct bus_client *bus;
        struct loop *loop;

        assert_int_equal(capability_path(n->runtime, "coordinator/admin", false, path), 0);
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(bus_client_new(loop, &o, &bus), 0);
        client = rpc_client_new(bus_client_link(bus), &coordinator__admin__descriptor);
        rpc_call(client, "Status", &empty, NSEC_PER_SEC, on_status, &a);
        while (!a.is_done)
                assert_true(loop_turn(loop, NSEC_PER_SEC) >= 0);
        rpc_client_free(client);
        bus_client_free(bus);
        loop_free(loop);
        return a.value;
}

unsigned node_count_files(const struct node *n, const char *service, const char *part) {
        char path[160];
        unsigned count = 0;
        struct dirent *e;
        DIR *d;

        snprintf(path, sizeof(path), "%s/state/%s", n->folder, service);
        d = opendir(path);
        while (d && (e = readdir(d)))
                count += strstr(e->d_name, part) != NULL;
        if (d)
                closedir(d);
        return count;
}
