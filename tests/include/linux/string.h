/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UNBD_TEST_LINUX_STRING_H
#define UNBD_TEST_LINUX_STRING_H

#include <string.h>

#endif
