#pragma once

/* The same test program once more as uid 65534, when we are root. */

/* A test of its own, last in the list. Skips when the build folder is closed to
 * that user, or we are not root (then everything ran as an ordinary user anyway). */
void test_as_ordinary_user(void **state);
