#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/account.h"
#include "common/daemon/capability.h"
#include "common/daemon/link.h"
#include "tests/support/test.h"

static uid_t uid_of(uint32_t node, const char *service) {
        return account_uid(node, service, strcmp(service, "worker") == 0);
}

/* The documented numbers, once by hand: another order would cost every node a new chown. */
static void test_numbers(void **state) {
        assert_int_equal(account_uid(0, "keyring", 0), 0x70000000);
        assert_int_equal(account_uid(1, "transport", 0), 0x70000041);
        assert_int_equal(account_uid(0, "worker", 1), 0x70000008);
        assert_int_equal(account_uid(0, "worker", 8), 0x7000000f);
        assert_int_equal(account_socket(0, "keyring/transport"), 0x70000010);
        assert_int_equal(account_datasets(ACCOUNT_NODES - 1), 0x73ffffff);
        assert_true(account_node("/var/lib/quorate") < ACCOUNT_NODES);
        assert_int_not_equal(account_node("/a/node-1"), account_node("/a/node-2"));
}

static void test_of(void **state) {
        const char *service = NULL;
        uint32_t node = 0;

        for (const char *const *s = capability_services; *s; s++) {
                assert_true(account_of(uid_of(7, *s), &node, &service));
                assert_int_equal(node, 7);
                assert_string_equal(service, *s);
        }
        assert_true(account_of(account_uid(7, "worker", 8), &node, &service));
        assert_string_equal(service, "worker");
        assert_false(account_of(0, &node, &service));
        assert_false(account_of(1000, &node, &service));
        assert_false(account_of(ACCOUNT_FIRST - 1, &node, &service));
        assert_false(account_of(ACCOUNT_FIRST + ACCOUNT_NODES * ACCOUNT_STEP, &node, &service));
        assert_false(account_of(account_socket(7, "keyring/host"), &node, &service));
        assert_false(account_of(account_datasets(7), &node, &service));
}

/* Every socket, every service: in by its uid exactly when its row says so. */
static void test_policy(void **state) {
        for (const struct capability *c = capabilities; c->name; c++) {
                const struct link_policy policy = { .by_file = true, .capability = c->name };
                char owner[32] = "";

                (void) sscanf(c->name, "%31[^/]", owner);
                for (const char *const *s = capability_services; *s; s++)
                        assert_int_equal(
                                link_policy_allows_as(&policy, uid_of(7, owner), uid_of(7, *s)),
                                capability_may_use(*s, c->name));
                assert_true(link_policy_allows_as(&policy, uid_of(7, owner), 0));
                for (const char *const *s = capability_services; *s; s++)
                        assert_false(
                                link_policy_allows_as(&policy, uid_of(7, owner), uid_of(8, *s)));
                assert_false(link_policy_allows_as(&policy, uid_of(7, owner), 1000));
        }
}

static void test_policy_of_one_uid(void **state) {
        const struct link_policy own = { .capability = "keyring/host" };
        const struct link_policy people = { .by_file = true, .capability = "coordinator/query" };

        assert_true(link_policy_allows_as(&own, 1000, 1000));
        assert_true(link_policy_allows_as(&own, 1000, 0));
        assert_false(link_policy_allows_as(&own, 1000, 1001));
        assert_false(link_policy_allows_as(&own, 1000, uid_of(7, "coordinator")));
        assert_true(link_policy_allows_as(&people, 1000, 1001));
        assert_true(link_policy_allows_as(NULL, 1000, 1000));
        assert_false(link_policy_allows_as(NULL, 1000, 1001));
}

static void test_groups(void **state) {
        gid_t groups[ACCOUNT_GROUPS_MAX];

        assert_int_equal(account_groups(3, "keyring", groups), 0);
        assert_int_equal(account_groups(3, "transport", groups), 1);
        assert_int_equal(groups[0], account_socket(3, "keyring/transport"));
        assert_int_equal(account_groups(3, "worker", groups), 2);
        assert_int_equal(groups[0], account_socket(3, "coordinator/jobs"));
        assert_int_equal(groups[1], account_datasets(3));
}

/* Nothing of root is left, and there is no way back. */
static void test_become(void **state) {
        const gid_t group = account_socket(3, "coordinator/jobs");
        int status = 0;
        pid_t child;

        if (!account_is_granted())
                skip();
        child = fork();
        if (child == 0) {
                uid_t uid = account_uid(3, "worker", 1);
                gid_t got[4];

                if (account_become(uid, &group, 1) || getuid() != uid || getegid() != uid)
                        _exit(1);
                if (getgroups(4, got) != 1 || got[0] != group)
                        _exit(2);
                _exit(setuid(0) == 0 || setgid(0) == 0 || chown("/", 0, 0) == 0 ? 3 : 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

TEST_MAIN(cmocka_unit_test(test_numbers), cmocka_unit_test(test_of), cmocka_unit_test(test_policy),
          cmocka_unit_test(test_policy_of_one_uid), cmocka_unit_test(test_groups),
          cmocka_unit_test(test_become))
