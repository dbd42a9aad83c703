// SPDX-License-Identifier: GPL-2.0
/*
 * unbd - the command line of the Unified Network Block Device
 */
#include "unbd.h"

int main(int argc, char **argv)
{
	return unbd_run(argc, argv);
}
