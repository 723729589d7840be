#include "services/ctl/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/daemon/runtime.h"
#include "quorate-config.h"
#include "services/ctl/services_file.h"

static bool fits(int n) {
        return n > 0 && n < PATH_MAX;
}

/* option, else $variable, else the root path, else $xdg/quorate, else fallback; without a root
 * path: that of runtime_default(). */
struct place {
        const char *option, *variable, *root, *xdg, *fallback;
};

static int find_place(const struct place *p, char ret[PATH_MAX]) {
        const char *home = getenv("HOME"), *xdg = p->xdg ? getenv(p->xdg) : NULL,
                   *given = p->option;
        int n;

        if (!given)
                given = getenv(p->variable);
        if (given && *given)
                n = snprintf(ret, PATH_MAX, "%s", given);
        else if (!p->root)
                return runtime_default(ret, PATH_MAX) ? NODE_OK : NODE_E_PATH;
        else if (geteuid() == 0)
                n = snprintf(ret, PATH_MAX, "%s", p->root);
        else if (xdg && xdg[0] == '/')
                n = snprintf(ret, PATH_MAX, "%s/quorate", xdg);
        else
                n = home ? snprintf(ret, PATH_MAX, "%s/%s", home, p->fallback) : -1;
        return fits(n) ? NODE_OK : NODE_E_PATH;
}

/* Services run in another root and working directory: paths must be absolute. */
static int make_absolute(char path[PATH_MAX]) {
        char here[PATH_MAX], joined[2 * PATH_MAX];
        int n;

        if (path[0] == '/')
                return NODE_OK;
        if (!getcwd(here, sizeof(here)))
                return NODE_E_PATH;
        n = snprintf(joined, sizeof(joined), "%s/%s", here, path);
        if (!fits(n))
                return NODE_E_PATH;
        memcpy(path, joined, (size_t) n + 1);
        return NODE_OK;
}

/* A node of a grid has its configuration beside its state. */
static void find_own_config(const struct common_options *options, struct node *n) {
        const char *variable = getenv("QUORATE_CONFIG");
        char path[PATH_MAX];

        if (!options->config && !(variable && *variable) &&
            fits(snprintf(path, sizeof(path), "%s/quorate.conf", n->state)) &&
            access(path, F_OK) == 0)
                (void) strcpy(n->config, path);
}

int node_find(const struct common_options *options, struct node *ret) {
        const struct place runtime = { .option = options->runtime, .variable = "QUORATE_RUNTIME" };
        const struct place state = { options->state, "QUORATE_STATE", "/var/lib/quorate",
                                     "XDG_DATA_HOME", ".local/share/quorate" };
        const struct place config = { options->config, "QUORATE_CONFIG", "/etc/quorate",
                                      "XDG_CONFIG_HOME", ".config/quorate" };

        const char *variable = getenv("QUORATE_RUNTIME");

        *ret = (struct node){};
        if (find_place(&runtime, ret->runtime) || find_place(&state, ret->state) ||
            find_place(&config, ret->config) || make_absolute(ret->runtime) ||
            make_absolute(ret->state) || make_absolute(ret->config))
                return NODE_E_PATH;
        ret->is_runtime_named = options->runtime || (variable && *variable);
        find_own_config(options, ret);
        return NODE_OK;
}

static bool is_told(const char *option, const char *variable) {
        const char *given = option ? option : getenv(variable);

        return given && *given;
}

int node_find_running(const struct common_options *options, struct node *ret) {
        struct services_file running;
        int r = node_find(options, ret);

        if (r || !services_file_read(ret->runtime, &running))
                return r;
        if (*running.state && !is_told(options->state, "QUORATE_STATE"))
                (void) strcpy(ret->state, running.state);
        if (*running.config && !is_told(options->config, "QUORATE_CONFIG"))
                (void) strcpy(ret->config, running.config);
        return NODE_OK;
}

bool node_is_grid(const char *runtime, char why[256]) {
        char path[PATH_MAX + 64];
        size_t n = 0;

        do
                (void) snprintf(path, sizeof(path), "%s/node-%zu/services.json", runtime, n + 1);
        while (access(path, F_OK) == 0 && ++n);
        if (n > 0)
                (void) snprintf(why, 256,
                                "%.70s holds the sockets of a grid, node-1 to node-%zu; give "
                                "--runtime %.70s/node-1 or another",
                                runtime, n, runtime);
        return n > 0;
}

size_t node_count_below(const char *state) {
        char path[PATH_MAX + 16];
        size_t n = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/nodes", state);
        f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%zu", &n) != 1)
                n = 0;
        (void) fclose(f);
        return n;
}

static bool try_binary(char ret[PATH_MAX], const char *directory, const char *between,
                       const char *service) {
        return fits(snprintf(ret, PATH_MAX, "%s%squorate-%s", directory, between, service)) &&
               access(ret, X_OK) == 0;
}

static bool own_directory(char ret[PATH_MAX]) {
        ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
        char *slash;

        if (n <= 0)
                return false;
        ret[n] = 0;
        slash = strrchr(ret, '/');
        if (!slash)
                return false;
        *slash = 0;
        return true;
}

bool node_binary(const char *service, char ret[PATH_MAX]) {
        /* The executor is built in the worker's folder. */
        const char *folder = strcmp(service, "executor") == 0 ? "worker" : service;
        const char *given = getenv("QUORATE_LIBEXEC");
        char here[PATH_MAX], up[PATH_MAX + 64];

        if (given && *given)
                return try_binary(ret, given, "/", service);
        if (own_directory(here) && snprintf(up, sizeof(up), "%s/../%s", here, folder) < PATH_MAX &&
            try_binary(ret, up, "/", service))
                return true;
        return try_binary(ret, QUORATE_LIBEXECDIR, "/", service);
}

static int key_error(char error[256], const char *path, const char *what) {
        snprintf(error, 256, "%.150s: %.90s", path, what);
        return NODE_E_KEY;
}

/* Runs `quorate-keyring --new`, its output into the file `notes`. */
static int run_mint(const char *binary, const char *seed, unsigned difficulty, int notes) {
        char bits[16];
        int status = 0;
        pid_t self = getpid(), child;

        snprintf(bits, sizeof(bits), "%u", difficulty);
        child = fork();
        if (child == 0) {
                /* It ends with us: else the next run would meet the file it is still making. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != self)
                        _exit(127);
                (void) dup2(notes, STDOUT_FILENO);
                (void) execl(binary, binary, "--new", seed, "--difficulty", bits, (char *) NULL);
                _exit(127);
        }
        return child < 0 || waitpid(child, &status, 0) < 0 || status != 0 ? NODE_E_KEY : NODE_OK;
}

/* "peer X": the rest names the file as it was called while it was made. */
static void keep_first_line(int notes) {
        char text[128];
        ssize_t n = pread(notes, text, sizeof(text), 0);
        const char *end = n > 0 ? memchr(text, '\n', (size_t) n) : NULL;

        if (end)
                (void) !ftruncate(notes, end + 1 - text);
}

static int mint_key(const char *seed, const char *notes_path, unsigned difficulty,
                    char error[256]) {
        char binary[PATH_MAX], fresh[PATH_MAX];
        CLEANUP(fd_closep) int notes = -1;

        if (!node_binary("keyring", binary))
                return key_error(error, "quorate-keyring",
                                 "not found; build or install it, or set QUORATE_LIBEXEC");
        notes = open(notes_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (notes < 0)
                return key_error(error, notes_path, strerror(errno));
        /* Under its name only when its peer id is noted: a run cut short in between could
         * not tell its neighbours who this is. What was left of such a one goes. */
        if (!fits(snprintf(fresh, sizeof(fresh), "%s.new", seed)))
                return key_error(error, seed, "path too long");
        (void) unlink(fresh);
        if (run_mint(binary, fresh, difficulty, notes) || fsync(notes) < 0 ||
            rename(fresh, seed) < 0)
                return key_error(error, seed, "the key could not be made; try `quorate key new`");
        keep_first_line(notes);
        return NODE_OK;
}

/* "peer 12D3KooW…" */
static void read_peer(const char *path, char ret[NODE_PEER_SIZE]) {
        FILE *f = fopen(path, "re");

        ret[0] = 0;
        if (!f)
                return;
        if (fscanf(f, "peer %63[1-9A-HJ-NP-Za-km-z]", ret) != 1)
                ret[0] = 0;
        fclose(f);
}

int node_ensure_key(const struct node *n, unsigned difficulty, char ret_peer[NODE_PEER_SIZE],
                    char error[256]) {
        char folder[PATH_MAX], seed[PATH_MAX + 16], notes[PATH_MAX + 16];
        struct stat st;
        int r = NODE_OK;

        if (!fits(snprintf(folder, sizeof(folder), "%s/keyring", n->state)))
                return key_error(error, n->state, "path too long");
        snprintf(seed, sizeof(seed), "%s/seed", folder);
        snprintf(notes, sizeof(notes), "%s/peer", n->state);
        if (node_mkdir(folder))
                return key_error(error, folder, "cannot be made; give --state DIR");
        if (stat(seed, &st) == 0 && st.st_mode & 077) /* keyring would refuse it again and again */
                return key_error(error, seed, "others may read this secret; chmod 600 it");
        if (access(seed, F_OK) < 0)
                r = mint_key(seed, notes, difficulty, error);
        if (r)
                return r;
        read_peer(notes, ret_peer);
        return NODE_OK;
}

int node_mkdir(const char *path) {
        char part[PATH_MAX];

        if (snprintf(part, sizeof(part), "%s", path) >= PATH_MAX)
                return -ENAMETOOLONG;
        for (char *c = part + 1;; c++) {
                char end = *c;

                if (end != '/' && end != 0)
                        continue;
                *c = 0;
                if (mkdir(part, 0700) < 0 && errno != EEXIST)
                        return -errno;
                *c = end;
                if (end == 0)
                        return 0;
        }
}
