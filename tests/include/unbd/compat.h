/* SPDX-License-Identifier: GPL-2.0 */
/* What plain C that a module exports needs of it: here all is one program. */
#ifndef UNBD_TEST_COMPAT_H
#define UNBD_TEST_COMPAT_H

#define EXPORT_SYMBOL_UNBD(sym)	extern typeof(sym) sym

#endif
