# SPDX-License-Identifier: GPL-2.0
"""The test bed: kernels, a root file system, guests and their results."""
