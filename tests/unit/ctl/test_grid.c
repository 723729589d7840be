/* What `quorate run --nodes` writes once: whole or not at all, and never over a person's edits. */

#include "services/ctl/grid.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/command.h"
#include "tests/support/test.h"

#define NODES  3
#define PEER   "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
#define EDITED "[transport]\nlisten = /ip4/127.0.0.1/udp/4711/quic-v1\n# mine\n"

struct place {
        char state[64], runtime[64];
        char error[256];
};

static void in(const struct place *p, const char *name, char ret[256]) {
        assert_in_range(snprintf(ret, 256, "%s/%s", p->state, name), 1, 255);
}

static void write_file(const struct place *p, const char *name, const char *text) {
        char path[256];
        FILE *f;

        in(p, name, path);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void read_text(const struct place *p, const char *name, char ret[1024]) {
        char path[256];
        FILE *f;

        in(p, name, path);
        f = fopen(path, "re");
        assert_non_null(f);
        ret[fread(ret, 1, 1023, f)] = 0;
        fclose(f);
}

/* With keys already: nobody has to make them. */
static int setup(void **state) {
        static struct place p;
        char name[64], path[256];

        (void) strcpy(p.state, "/tmp/quorate-grid-XXXXXX");
        assert_non_null(mkdtemp(p.state));
        snprintf(p.runtime, sizeof(p.runtime), "%s/run", p.state);
        for (unsigned i = 1; i <= NODES; i++) {
                snprintf(name, sizeof(name), "node-%u/keyring", i);
                in(&p, name, path);
                assert_int_equal(node_mkdir(path), 0);
                snprintf(name, sizeof(name), "node-%u/keyring/seed", i);
                write_file(&p, name, "x");
                in(&p, name, path);
                assert_int_equal(chmod(path, 0600), 0);
                snprintf(name, sizeof(name), "node-%u/peer", i);
                write_file(&p, name, "peer " PEER "\n");
        }
        *state = &p;
        return 0;
}

static int teardown(void **state) {
        const struct place *p = *state;
        char command[128];

        snprintf(command, sizeof(command), "rm -rf %s", p->state);
        return system(command);
}

static int plan(struct place *p, size_t n) {
        const struct common_options o = { .runtime = p->runtime, .state = p->state };
        static struct grid grid;

        return grid_plan(&o, n, &grid, p->error);
}

static void written_once(void **state) {
        struct place *p = *state;
        char first[1024], text[1024];
        struct stat st;
        char path[256];

        assert_int_equal(plan(p, NODES), GRID_OK);
        read_text(p, "nodes", text);
        assert_string_equal(text, "3\n");
        in(p, "node-2/quorate.conf", path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        read_text(p, "node-2/quorate.conf", first);
        assert_int_equal(plan(p, NODES), GRID_OK);
        read_text(p, "node-2/quorate.conf", text);
        assert_string_equal(text, first);
        assert_int_equal(plan(p, NODES - 1), GRID_E_REFUSED);
        assert_non_null(strstr(p->error, "holds a grid of 3 nodes"));
        in(p, "nodes.new", path);
        assert_int_equal(access(path, F_OK), -1);
}

/* A port that the kernel lends to any socket may be somebody else's when the node starts again. */
static void ports_are_of_their_own(void **state) {
        unsigned ports[NODES] = {};
        struct place *p = *state;

        assert_int_equal(plan(p, NODES), GRID_OK);
        for (unsigned i = 0; i < NODES; i++) {
                char name[64], text[1024];
                const char *listen;

                snprintf(name, sizeof(name), "node-%u/quorate.conf", i + 1);
                read_text(p, name, text);
                listen = strstr(text, "listen = /ip4/127.0.0.1/udp/");
                assert_non_null(listen);
                assert_int_equal(sscanf(listen, "listen = /ip4/127.0.0.1/udp/%u", &ports[i]), 1);
                assert_in_range(ports[i], 1024, 32767);
                for (unsigned k = 0; k < i; k++)
                        assert_int_not_equal(ports[i], ports[k]);
        }
}

/* A kill left `nodes` empty, or away: what is there stays, what is not there joins it. */
static void edits_outlive_a_lost_count(void **state) {
        struct place *p = *state;
        char text[1024];

        write_file(p, "nodes", "");
        write_file(p, "node-1/quorate.conf", EDITED);
        write_file(p, "node-3/quorate.conf", ""); /* nobody's edit: it was being written */
        assert_int_equal(plan(p, NODES), GRID_OK);
        read_text(p, "node-1/quorate.conf", text);
        assert_string_equal(text, EDITED);
        for (unsigned i = 2; i <= NODES; i++) {
                char name[64];

                snprintf(name, sizeof(name), "node-%u/quorate.conf", i);
                read_text(p, name, text);
                assert_non_null(
                        strstr(text, "bootstrap = /ip4/127.0.0.1/udp/4711/quic-v1/p2p/" PEER));
        }
        read_text(p, "nodes", text);
        assert_string_equal(text, "3\n");
}

/* Where the first listens is not guessed. */
static void first_without_a_port(void **state) {
        struct place *p = *state;
        char path[256];

        write_file(p, "node-1/quorate.conf", "[gossip]\nname = mine\n");
        assert_int_equal(plan(p, NODES), GRID_E_REFUSED);
        assert_non_null(strstr(p->error, "node-1/quorate.conf"));
        assert_non_null(strstr(p->error, "listen = "));
        in(p, "node-2/quorate.conf", path);
        assert_int_equal(access(path, F_OK), -1);
}

/* Only what this run made, and nobody runs by now. */
/* Two at once: one plans, the other waits and finds what it planned. */
static void one_plans_at_a_time(void **state) {
        struct place *p = *state;
        int fd = open(p->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
        char count[1024];
        pid_t child;

        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                close(fd); /* the lock is its parent's */
                _exit(plan(p, NODES) == GRID_OK ? 0 : 1);
        }
        (void) usleep(200000);
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);
        write_file(p, "nodes", "2\n"); /* as if the first had planned another number */
        close(fd);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        read_text(p, "nodes", count);
        assert_string_equal(count, "2\n");
}

static void what_was_refused_goes(void **state) {
        static const char *const there[] = { "nodes", "node-1", "node-2/quorate.conf" };
        struct place *p = *state;
        static struct grid grid;
        const struct common_options o = { .runtime = p->runtime, .state = p->state };
        char path[256];
        int fd;

        assert_int_equal(grid_plan(&o, NODES, &grid, p->error), GRID_OK);
        assert_false(grid.is_new); /* its folder was there */
        grid_forget(&grid);
        for (size_t i = 0; i < ELEMENTSOF(there); i++) {
                in(p, there[i], path);
                assert_int_equal(access(path, F_OK), 0);
        }
        grid.is_new = true;
        in(p, "node-2/lock", path);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        grid_forget(&grid);
        assert_int_equal(access(path, F_OK), 0);
        close(fd);
        grid_forget(&grid);
        assert_int_equal(access(p->state, F_OK), -1);
}

static pid_t pid_in(const struct place *p, const char *name) {
        char path[256];
        int pid = 0;
        FILE *f;

        in(p, name, path);
        f = fopen(path, "re");
        if (f && fscanf(f, "%d\n", &pid) != 1)
                pid = 0;
        if (f)
                fclose(f);
        return pid;
}

/* Else it would go on beside the next run, which makes a file of the same name. */
static void who_makes_a_key_ends_with_us(void **state) {
        const struct timespec pause = { .tv_nsec = 10000000 };
        struct place *p = *state;
        char path[256];
        pid_t child, maker = 0, ended = 0;

        write_file(p, "quorate-keyring", "#!/bin/sh\necho $$ >\"${2%/*}/maker\"\nexec sleep 60\n");
        in(p, "quorate-keyring", path);
        assert_int_equal(chmod(path, 0700), 0);
        in(p, "node-1/keyring/seed", path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans become ours */
        child = fork();
        if (child == 0) {
                (void) setenv("QUORATE_LIBEXEC", p->state, true);
                _exit(plan(p, NODES));
        }
        for (unsigned i = 0; i < 1000 && !maker; i++) {
                (void) nanosleep(&pause, NULL);
                maker = pid_in(p, "node-1/keyring/maker");
        }
        assert_true(child > 0 && maker > 0);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        for (unsigned i = 0; i < 200 && !ended; i++) {
                ended = waitpid(maker, NULL, WNOHANG);
                (void) nanosleep(&pause, NULL);
        }
        if (!ended)
                (void) kill(maker, SIGKILL);
        assert_int_equal(ended, maker);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(written_once), CASE(ports_are_of_their_own), CASE(edits_outlive_a_lost_count),
          CASE(first_without_a_port), CASE(one_plans_at_a_time), CASE(what_was_refused_goes),
          CASE(who_makes_a_key_ends_with_us))
