/* What people want of datasets, over a real store; who fetches is played by hand. */

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "services/coordinator/shell_dataset.h"
#include "tests/support/test.h"

#define MIB (1u << 20)

/* ---- The parts of the shell around it ---- */

static nsec_t now;
static int defer_result;
static struct hash_value asked[256];
static uint64_t asked_id[256];
static size_t n_asked;

nsec_t loop_now(const struct loop *l) {
        return now;
}

int loop_add_defer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        static int source;

        if (defer_result == 0)
                *ret = (struct loop_source *) &source;
        return defer_result;
}

int loop_defer(struct loop_source *s) {
        return 0;
}

struct loop_source *loop_source_free(struct loop_source *s) {
        return NULL;
}

int64_t shell_wall_us(void) {
        return 1234567;
}

void shell_data_input(struct shell_data *d, const struct data_request *request) {
        asked_id[n_asked] = request->id;
        asked[n_asked++] = request->root;
}

void shell_data_cancel(struct shell_data *d, uint64_t fetch) {
}

bool shell_data_progress(const struct shell_data *d, const struct hash_value *root,
                         struct data_progress *ret) {
        return false;
}

void shell_data_stats(const struct shell_data *d, struct shell_data_stats *ret) {
        *ret = (struct shell_data_stats){};
}

int dataset_announce_start(struct shell *s) {
        return 0;
}

void dataset_announce_stop(struct shell *s) {
}

void dataset_announce_tick(struct shell *s) {
}

void dataset_announce_look(struct shell *s, const struct hash_value *root) {
}

/* ---- A node ---- */

static char dir[64];

static int setup(void **state) {
        struct shell *s = xnew(struct shell);

        strcpy(dir, "/tmp/quorate-work-XXXXXX");
        if (!mkdtemp(dir) || store_open(dir, 100 * MIB, &s->store) || shell_datasets_start(s))
                return -1;
        s->cache_path = dir;
        s->datasets->has_records = true;
        now = 1000 * NSEC_PER_SEC;
        n_asked = 0;
        defer_result = 0;
        *state = s;
        return 0;
}

static int teardown(void **state) {
        struct shell *s = *state;
        char command[128];

        shell_datasets_stop(s);
        store_free(s->store);
        free(s);
        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command);
}

static struct hash_value root_of(uint8_t number) {
        return (struct hash_value){ { number, 1 } };
}

static bool is_pinned(struct shell *s, const struct hash_value *root) {
        struct store_keep k;

        return store_keep_of(s->store, root, &k) && k.flags & STORE_KEEP_PINNED;
}

static struct hash_value put(struct shell *s) {
        static const uint8_t no_salt[DATA_SALT_SIZE];
        struct hash_value root;
        struct upload *u;

        assert_int_equal(upload_begin(s->store, BYTES_LIT("sqlite"), 3, no_salt, &u), STORE_OK);
        assert_int_equal(upload_write(u, BYTES_LIT("abc")), STORE_OK);
        assert_int_equal(upload_finish(u, &root), STORE_OK);
        upload_free(u);
        return root;
}

/* A fetch that is refused leaves nothing that is fetched by itself later. */
static void test_refused_is_not_pinned(void **state) {
        struct hash_value root = root_of(99), verified = put(*state);
        char why[DATASET_WHY_SIZE];
        struct dataset_work *w;
        struct shell *s = *state;

        assert_int_equal(dataset_verify(s, &verified, &w, why), 0);
        assert_int_equal(dataset_fetch_to_pin(s, &verified, NULL, 0, &w, why), DATASET_E_BUSY);
        assert_false(is_pinned(s, &verified));
        for (uint8_t i = 1; i < DATASET_ACTIVE_MAX; i++) {
                struct hash_value one = root_of(i);

                assert_int_equal(dataset_fetch_to_pin(s, &one, NULL, 0, &w, why), 0);
                assert_true(is_pinned(s, &one));
        }
        assert_int_equal(dataset_fetch_to_pin(s, &root, NULL, 0, &w, why), DATASET_E_BUSY);
        assert_non_null(strstr(why, "under way"));
        assert_false(is_pinned(s, &root));
}

static void fail_all(struct shell *s, size_t from) {
        const struct input_failure failure = { .code = 1 };

        for (size_t i = from; i < n_asked; i++)
                assert_true(shell_dataset_failed(s, asked_id[i], &failure));
}

/* Nobody has any of them: each has its turn before one has its second. */
static void test_healing_goes_round(void **state) {
        unsigned times[12] = {};
        char why[DATASET_WHY_SIZE];
        struct shell *s = *state;

        for (uint8_t i = 0; i < ELEMENTSOF(times); i++) {
                struct hash_value root = root_of(i);

                assert_int_equal(dataset_pin(s, &root, NULL, why), 0);
        }
        dataset_heal_tick(s);
        for (unsigned round = 1; round <= 3; round++) {
                for (unsigned turn = 0; turn < 3; turn++) {
                        size_t before = n_asked;

                        now = s->datasets->heal_at;
                        dataset_heal_tick(s);
                        assert_int_equal(n_asked - before, 4);
                        fail_all(s, before);
                }
                for (size_t i = n_asked - ELEMENTSOF(times); i < n_asked; i++)
                        times[asked[i].bytes[0]]++;
                for (size_t i = 0; i < ELEMENTSOF(times); i++)
                        assert_int_equal(times[i], round);
        }
}

/* Those that could not begin are the first ones next time; what is under way takes no turn. */
static void test_healing_waits_its_turn(void **state) {
        char why[DATASET_WHY_SIZE];
        struct dataset_work *w;
        struct shell *s = *state;

        for (uint8_t i = 0; i < 6; i++) {
                struct hash_value root = root_of(i);

                assert_int_equal(dataset_pin(s, &root, NULL, why), 0);
        }
        for (uint8_t i = 0; i < DATASET_ACTIVE_MAX - 2; i++) {
                struct hash_value root = root_of(i == 0 ? 0 : (uint8_t) (100 + i));

                assert_int_equal(dataset_fetch(s, &root, NULL, 0, &w, why), 0);
        }
        n_asked = 0;
        dataset_heal_tick(s);
        now = s->datasets->heal_at;
        dataset_heal_tick(s);
        assert_int_equal(n_asked, 2);
        assert_int_equal(asked[0].bytes[0], 1);
        assert_int_equal(asked[1].bytes[0], 2);
        fail_all(s, 0);
        n_asked = 0;
        now = s->datasets->heal_at;
        dataset_heal_tick(s);
        assert_int_equal(n_asked, 2);
        assert_int_equal(asked[0].bytes[0], 3);
        assert_int_equal(asked[1].bytes[0], 4);
}

/* The loop has no room: said so, and nothing stays pinned or under way. */
static void test_verify_cannot_begin(void **state) {
        struct hash_value root = put(*state);
        char why[DATASET_WHY_SIZE] = "?";
        struct dataset_work *w;
        struct shell *s = *state;

        store_unpin(s->store, &root);
        defer_result = -ENOMEM;
        assert_int_equal(dataset_verify(s, &root, &w, why), DATASET_E_REFUSED);
        assert_non_null(strstr(why, "look at its log"));
        assert_int_equal(s->datasets->n_active, 0);
        assert_int_equal(store_remove(s->store, &root), STORE_OK);
}

/* A name that cannot go to its new owner stays with the one that has it. */
static void test_name_is_not_lost(void **state) {
        struct hash_value a = root_of(1), b = root_of(2), found;
        char why[DATASET_WHY_SIZE], hex[2 * HASH_SIZE + 1], path[160], inside[200];
        struct store_keep k;
        struct shell *s = *state;

        assert_int_equal(dataset_pin(s, &a, "sales", why), 0);
        hex_encode(hash_bytes(&b), hex);
        snprintf(path, sizeof(path), "%s/%s.keep", dir, hex);
        snprintf(inside, sizeof(inside), "%s/x", path);
        /* A folder of this name, not empty: nothing can be renamed to it. */
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(mkdir(inside, 0755), 0);
        assert_int_equal(dataset_pin(s, &b, "sales", why), DATASET_E_FULL);
        assert_true(store_find_label(s->store, "sales", &found) && hash_equal(&found, &a));
        assert_int_equal(rmdir(inside), 0);
        assert_int_equal(rmdir(path), 0);

        assert_int_equal(dataset_pin(s, &b, "sales", why), 0);
        assert_true(store_find_label(s->store, "sales", &found) && hash_equal(&found, &b));
        assert_true(store_keep_of(s->store, &a, &k));
        assert_string_equal(k.label, "");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_refused_is_not_pinned), TEST(test_healing_goes_round),
          TEST(test_healing_waits_its_turn), TEST(test_verify_cannot_begin),
          TEST(test_name_is_not_lost))
