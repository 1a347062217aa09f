"""Cells of the DARTS and NASNet spaces that searches found and the paper's claim was not made from.

Taken from the authors' own published code, in its order: one cell a search, two where it was run by
two criteria or on two data sets and both are given. Left out are cells that fit no genotype here:
nodes with one or more than two operations (FairDARTS, edge-wise searches), operations of `none`
alone (the reduction cell of SNAS under its aggressive constraint, ASHA), others than those of
`darts.OPERATIONS` (AmoebaNet-B), and cells that only others have transcribed (ASAP).
"""

from analysis.spaces.printed import Printed, pairs

_FOUR = (2, 3, 4, 5)
_FIVE = (2, 3, 4, 5, 6)

_PNASNET = pairs("sep5@0 max3@0 | sep7@1 max3@1 | sep5@1 sep3@1 | sep3@4 max3@1 | sep3@0 skip@1")


def _four(normal: str, reduce: str) -> Printed:
    """Four nodes, all of them concatenated, as DARTS has them."""
    return Printed(pairs(normal), _FOUR, pairs(reduce), _FOUR)


FOUND: dict[str, tuple[str, Printed]] = {
    "PNASNet-5": (
        "Liu et al. 2018, arXiv 1712.00559; code: tensorflow/models, "
        "research/slim/nets/nasnet/pnasnet.py",
        Printed(_PNASNET, _FIVE, _PNASNET, _FIVE),  # one cell for both
    ),
    "DARTS-V1": (
        "Liu et al. 2019, arXiv 1806.09055, first order; code: quark0/darts, cnn/genotypes.py",
        _four(
            "sep3@1 sep3@0 | skip@0 sep3@1 | skip@0 sep3@1 | sep3@0 skip@2",
            "max3@0 max3@1 | skip@2 max3@0 | max3@0 skip@2 | skip@2 avg3@0",
        ),
    ),
    "NSGANet": (
        "Lu et al. 2019, arXiv 1810.03522; code: ianwhale/nsga-net, models/micro_genotypes.py",
        Printed(
            pairs("skip@0 max3@0 | dil5@0 max3@0 | dil5@1 sep3@3 | max3@1 sep5@3 | sep3@1 sep3@0"),
            (2, 4, 5, 6),
            pairs("avg3@0 sep3@1 | dil3@1 max3@0 | skip@2 dil5@1 | skip@2 avg3@1 | dil5@1 dil3@1"),
            (3, 4, 5, 6),
        ),
    ),
    "SNAS-moderate": (
        "Xie et al. 2019, arXiv 1812.09926, moderate constraint; code: SNAS-Series/SNAS-Series, "
        "SNAS/genotypes.py",
        _four(
            "dil5@0 skip@1 | sep3@0 skip@1 | skip@0 skip@1 | sep3@0 dil5@1",
            "max3@0 max3@1 | sep5@0 dil5@1 | sep5@0 sep5@1 | sep5@0 sep5@1",
        ),
    ),
    "P-DARTS": (
        "Chen et al. 2019, arXiv 1904.12760, CIFAR-10; code: chenxin061/pdarts, genotypes.py",
        _four(
            "skip@0 dil3@1 | skip@0 sep3@1 | sep3@1 sep3@3 | sep3@0 dil5@4",
            "avg3@0 sep5@1 | sep3@0 dil5@2 | max3@0 dil3@1 | dil3@1 dil5@3",
        ),
    ),
    "MdeNAS": (
        "Zheng et al. 2019, arXiv 1905.07529, CIFAR-10; code: tanglang96/MDENAS, "
        "run_darts_cifar.sh",
        _four(
            "sep5@1 sep3@0 | skip@0 sep5@1 | sep5@3 sep3@1 | dil5@3 max3@4",
            "max3@0 sep5@1 | skip@0 skip@1 | sep3@3 skip@2 | dil3@3 sep5@0",
        ),
    ),
    "XNAS": (
        "Nayman et al. 2019, arXiv 1906.08031; code: NivNayman/XNAS, genotypes.py",
        _four(
            "sep3@1 skip@0 | sep3@0 sep3@2 | sep3@3 sep3@1 | dil5@4 sep3@0",
            "max3@0 avg3@1 | avg3@0 skip@2 | dil3@3 max3@0 | dil5@4 avg3@0",
        ),
    ),
    "PC-DARTS-CIFAR": (
        "Xu et al. 2020, arXiv 1907.05737, CIFAR-10; code: yuhuixu1993/PC-DARTS, genotypes.py",
        _four(
            "sep3@1 skip@0 | sep3@0 dil3@1 | sep5@0 sep3@1 | avg3@0 dil3@1",
            "sep5@1 max3@0 | sep5@1 sep5@2 | sep3@0 sep3@3 | sep3@1 sep3@2",
        ),
    ),
    "PC-DARTS-ImageNet": (
        "Xu et al. 2020, arXiv 1907.05737, ImageNet; code: yuhuixu1993/PC-DARTS, genotypes.py",
        _four(
            "skip@1 sep3@0 | sep3@0 skip@1 | sep3@1 sep3@3 | sep3@1 dil5@4",
            "sep3@0 skip@1 | dil5@2 max3@1 | sep3@2 sep3@1 | sep5@0 sep3@3",
        ),
    ),
    "GDAS": (
        "Dong and Yang 2019, arXiv 1910.04465, GDAS_V1; code: D-X-Y/AutoDL-Projects, "
        "lib/nas_infer_model/DXYs/genotypes.py",
        _four(
            "skip@0 skip@1 | skip@0 sep5@2 | sep3@3 skip@0 | sep5@4 sep3@3",
            "sep5@0 sep3@1 | sep5@2 sep5@1 | dil5@2 sep3@1 | sep5@0 sep5@1",
        ),
    ),
    "SETN": (
        "Dong and Yang 2019, arXiv 1910.05733; code: D-X-Y/AutoDL-Projects, "
        "lib/nas_infer_model/DXYs/genotypes.py",
        _four(
            "skip@0 sep5@1 | sep5@0 sep3@1 | sep5@1 sep5@3 | max3@1 1x3@4",
            "sep3@0 sep5@1 | avg3@0 sep5@1 | avg3@0 sep5@1 | avg3@0 skip@1",
        ),
    ),
    "SGAS-1": (
        "Li et al. 2020, arXiv 1912.00195, criterion 1, CIFAR-10, the best of ten; code: "
        "lightaime/sgas, cnn/genotypes.py",
        _four(
            "sep3@0 dil3@1 | sep3@0 sep3@1 | sep5@1 sep5@3 | skip@0 dil5@2",
            "max3@0 dil5@1 | sep3@0 skip@2 | sep3@1 skip@2 | max3@0 max3@1",
        ),
    ),
    "SGAS-2": (
        "Li et al. 2020, arXiv 1912.00195, criterion 2, CIFAR-10, the best of ten; code: "
        "lightaime/sgas, cnn/genotypes.py",
        _four(
            "sep3@0 sep3@1 | sep3@0 sep3@2 | max3@0 sep3@3 | sep3@2 sep3@3",
            "sep3@0 max3@1 | dil3@0 max3@1 | max3@0 sep3@2 | max3@0 sep5@2",
        ),
    ),
    "NoisyDARTS": (
        "Chu et al. 2020, arXiv 2005.03566, cell a; code: xiaomi-automl/NoisyDARTS, genotypes.py",
        _four(
            "sep3@1 sep3@0 | skip@0 dil3@2 | dil3@3 sep3@1 | dil5@4 dil3@3",
            "max3@0 dil5@1 | skip@2 max3@0 | skip@2 skip@3 | skip@2 dil5@4",
        ),
    ),
    "DrNAS-CIFAR": (
        "Chen et al. 2021, arXiv 2006.10355, CIFAR-10; code: xiangning-chen/DrNAS, "
        "DARTS-space/genotypes.py",
        _four(
            "sep3@0 sep5@1 | sep3@1 sep3@2 | skip@0 sep3@1 | sep3@2 dil5@3",
            "max3@0 sep5@1 | dil5@2 sep5@1 | sep5@1 dil5@3 | skip@4 sep5@1",
        ),
    ),
    "DrNAS-ImageNet": (
        "Chen et al. 2021, arXiv 2006.10355, ImageNet; code: xiangning-chen/DrNAS, "
        "DARTS-space/genotypes.py",
        _four(
            "sep3@1 sep3@0 | sep3@0 sep3@1 | sep3@0 dil3@3 | skip@0 sep3@1",
            "max3@0 sep3@1 | sep3@0 skip@2 | sep3@0 sep3@2 | sep3@3 sep3@1",
        ),
    ),
}
"""By name: where it was published, and the cell; the oldest search first."""
