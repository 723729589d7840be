/* Seed files on disk: every state in which one must be refused. */

#include "services/keyring/store.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/keyring/seedfile.h"
#include "tests/support/test.h"

static const uint8_t seed[SEAL_SEED_SIZE] = { 9, 8, 7 };
static const struct store_file none = {};

struct disk {
        char folder[64], file[96], phrase[96];
        struct store_file seed, passphrase;
};

static void write_file(const char *path, struct bytes v) {
        char error[STORE_ERROR_SIZE];

        assert_int_equal(store_create(path, v, error), STORE_OK);
}

static int setup(void **state) {
        struct disk *d = xnew(struct disk);
        uint8_t content[SEEDFILE_MAX];
        size_t n;

        strcpy(d->folder, "/tmp/quorate-store-XXXXXX");
        assert_non_null(mkdtemp(d->folder));
        snprintf(d->file, sizeof(d->file), "%s/seed", d->folder);
        snprintf(d->phrase, sizeof(d->phrase), "%s/phrase", d->folder);
        d->seed.path = d->file;
        d->passphrase.path = d->phrase;
        assert_int_equal(seedfile_encode(seed, NULL, content, &n), 0);
        write_file(d->file, BYTES(content, n));
        *state = d;
        return 0;
}

static int teardown(void **state) {
        struct disk *d = *state;

        (void) unlink(d->file);
        (void) unlink(d->phrase);
        assert_int_equal(rmdir(d->folder), 0);
        free(d);
        return 0;
}

static void assert_refused(struct disk *d, const char *because) {
        char error[STORE_ERROR_SIZE] = "";
        uint8_t got[SEAL_SEED_SIZE];

        assert_int_equal(store_load_seed(&d->seed, &none, got, error), STORE_E_REFUSED);
        assert_non_null(strstr(error, d->file));
        assert_non_null(strstr(error, because));
}

static void test_modes(void **state) {
        static const struct {
                mode_t mode;
                const char *because; /* NULL: accepted */
        } cases[] = {
                { 0600, NULL },        { 0400, NULL },        { 0640, "mode 0640" },
                { 0604, "mode 0604" }, { 0666, "mode 0666" }, { 04600, "mode 4600" },
                { 0700, "mode 0700" },
        };
        struct disk *d = *state;
        char error[STORE_ERROR_SIZE];
        uint8_t got[SEAL_SEED_SIZE];

        FOREACH_CASE (c, cases) {
                assert_int_equal(chmod(d->file, c->mode), 0);
                if (c->because) {
                        assert_refused(d, c->because);
                        continue;
                }
                assert_int_equal(store_load_seed(&d->seed, &none, got, error), STORE_OK);
                assert_memory_equal(got, seed, sizeof(seed));
        }
        assert_int_equal(chmod(d->file, 0440), 0);
        d->seed.is_credential = true;
        assert_int_equal(store_load_seed(&d->seed, &none, got, error), STORE_OK);
}

static void test_wrong_kinds(void **state) {
        struct disk *d = *state;
        char elsewhere[112];

        assert_int_equal(truncate(d->file, 47), 0);
        assert_refused(d, "length");
        assert_int_equal(truncate(d->file, 4), 0);
        assert_refused(d, "no seed file");
        assert_int_equal(truncate(d->file, 0), 0);
        assert_refused(d, "length");
        assert_int_equal(truncate(d->file, 100000), 0);
        assert_refused(d, "longer");

        snprintf(elsewhere, sizeof(elsewhere), "%s/real", d->folder);
        assert_int_equal(rename(d->file, elsewhere), 0);
        assert_refused(d, "no such file");
        assert_int_equal(symlink(elsewhere, d->file), 0);
        assert_refused(d, "symbolic links");
        assert_int_equal(unlink(d->file), 0);
        assert_int_equal(mkdir(d->file, 0700), 0);
        assert_refused(d, "not a regular file");
        assert_int_equal(rmdir(d->file), 0);
        assert_int_equal(mkfifo(d->file, 0600), 0);
        assert_refused(d, "not a regular file"); /* and does not wait for a writer */
        assert_int_equal(unlink(elsewhere), 0);
}

static void test_owner(void **state) {
        struct disk *d = *state;

        if (geteuid() != 0)
                skip(); /* only root can give a file away */
        assert_int_equal(chown(d->file, 65534, 65534), 0);
        assert_refused(d, "owned by uid 65534");
}

static void test_passphrase(void **state) {
        const struct seedfile_seal seal = { .passphrase = BYTES_LIT("horse"),
                                            .cost = { .passes = 1, .memory_kib = 8 } };
        struct disk *d = *state;
        char error[STORE_ERROR_SIZE];
        uint8_t content[SEEDFILE_MAX], got[SEAL_SEED_SIZE];
        size_t n;

        assert_int_equal(seedfile_encode(seed, &seal, content, &n), 0);
        assert_int_equal(unlink(d->file), 0);
        write_file(d->file, BYTES(content, n));
        assert_refused(d, "passphrase-file");

        write_file(d->phrase, BYTES_LIT("horse\n"));
        assert_int_equal(store_load_seed(&d->seed, &d->passphrase, got, error), STORE_OK);
        assert_memory_equal(got, seed, sizeof(seed));
        assert_int_equal(chmod(d->phrase, 0644), 0);
        assert_int_equal(store_load_seed(&d->seed, &d->passphrase, got, error), STORE_E_REFUSED);
        assert_non_null(strstr(error, d->phrase));

        assert_int_equal(unlink(d->phrase), 0);
        write_file(d->phrase, BYTES_LIT("Horse\n"));
        assert_int_equal(store_load_seed(&d->seed, &d->passphrase, got, error), STORE_E_REFUSED);
        assert_non_null(strstr(error, "wrong passphrase"));
        assert_int_equal(unlink(d->phrase), 0);
        write_file(d->phrase, BYTES_LIT("\n"));
        assert_int_equal(store_load_seed(&d->seed, &d->passphrase, got, error), STORE_E_REFUSED);
        assert_non_null(strstr(error, "empty"));
}

static void test_never_overwrites(void **state) {
        struct disk *d = *state;
        char error[STORE_ERROR_SIZE];

        assert_int_equal(store_create(d->file, BYTES_LIT("x"), error), STORE_E_REFUSED);
        assert_non_null(strstr(error, "never overwritten"));
}

static unsigned count_names(const char *folder) {
        DIR *dir = opendir(folder);
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n - 2;
}

/* Killed when the file is there and its content is not: nothing is in the way of another try. */
static void test_killed(void **state) {
        struct disk *d = *state;
        char error[STORE_ERROR_SIZE];
        int status;
        pid_t pid;

        assert_int_equal(unlink(d->file), 0);
        pid = fork();
        if (pid == 0) {
                const struct rlimit none_written = {};

                if (setrlimit(RLIMIT_CORE, &none_written) || setrlimit(RLIMIT_FSIZE, &none_written))
                        _exit(1);
                _exit(store_create(d->file, BYTES_LIT("x"), error));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
        assert_int_equal(count_names(d->folder), 0);
        assert_int_equal(store_create(d->file, BYTES_LIT("x"), error), STORE_OK);
        assert_int_equal(count_names(d->folder), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(T(test_modes), T(test_wrong_kinds), T(test_owner), T(test_passphrase),
          T(test_never_overwrites), T(test_killed))
