"""The features PyRadiomics defines: what each measures, in which unit, and its name in IBSI.

Codes and names follow the reference manual of the Image Biomarker Standardisation Initiative
(Zwanenburg et al. 2020, Radiology 295:328; arXiv:1612.07003). A feature has a code only where its
definition is IBSI's; otherwise the note says how it differs.
"""

from __future__ import annotations

from typing import NamedTuple


class Definition(NamedTuple):
    """One feature of a family, whatever the image it is measured on.

    Parameters
    ----------
    feature : str
        PyRadiomics' name.
    unit : str
        ``intensity`` stands for the unit of the image; 1 is dimensionless.
    depends : str
        ``s`` if the value changes with the declared size of the voxels, ``n`` if it changes with
        their number although the content stays the same.
    code, name : str
        IBSI's, empty where the definition differs.
    note : str
        How the definition differs from IBSI's, or under which setting it would.
    """

    feature: str
    unit: str
    depends: str
    code: str
    name: str
    note: str = ""


NOT_IBSI = "not in IBSI"
_SHIFT = "as in IBSI while voxelArrayShift is 0"
_AXIS = (
    "{0} in IBSI, whose reference values divide the covariance by N - 1 where PyRadiomics divides "
    "by N: smaller by the factor sqrt(1 - 1/N) for N voxels"
)
_SYMMETRIC = "as in IBSI while symmetricalGLCM is true"

FAMILY_NAMES = {
    "shape": "Morphology (HCUG)",
    "shape2D": "Morphology in one slice (not in IBSI)",
    "firstorder": "Intensity statistics (UHIW) and histogram (ZVCW)",
    "glcm": "Grey level co-occurrence matrix (LFYI)",
    "glrlm": "Grey level run length matrix (TP0I)",
    "glszm": "Grey level size zone matrix (9SAK)",
    "gldm": "Neighbouring grey level dependence matrix (REK0)",
    "ngtdm": "Neighbourhood grey tone difference matrix (IPET)",
}

DEFINITIONS: dict[str, tuple[Definition, ...]] = {
    "shape": (
        Definition("Elongation", "1", "", "Q3CK", "Elongation"),
        Definition("Flatness", "1", "", "N17B", "Flatness"),
        Definition("LeastAxisLength", "mm", "sn", "", "", _AXIS.format("7J51")),
        Definition("MajorAxisLength", "mm", "sn", "", "", _AXIS.format("TDIC")),
        Definition("Maximum2DDiameterColumn", "mm", "sn", "", "", NOT_IBSI),
        Definition("Maximum2DDiameterRow", "mm", "sn", "", "", NOT_IBSI),
        Definition("Maximum2DDiameterSlice", "mm", "sn", "", "", NOT_IBSI),
        Definition("Maximum3DDiameter", "mm", "sn", "L0JK", "Maximum 3D diameter"),
        Definition("MeshVolume", "mm^3", "sn", "RNU0", "Volume (mesh)"),
        Definition("MinorAxisLength", "mm", "sn", "", "", _AXIS.format("P9VJ")),
        Definition("Sphericity", "1", "", "QCFX", "Sphericity"),
        Definition("SurfaceArea", "mm^2", "sn", "C0JK", "Surface area (mesh)"),
        Definition("SurfaceVolumeRatio", "1/mm", "sn", "2PR5", "Surface to volume ratio"),
        Definition("VoxelVolume", "mm^3", "sn", "YEKZ", "Volume (voxel counting)"),
        # Deprecated: measured only where a parameter file names them.
        Definition("Compactness1", "1", "", "SKGS", "Compactness 1"),
        Definition("Compactness2", "1", "", "BQWJ", "Compactness 2"),
        Definition("SphericalDisproportion", "1", "", "KRCK", "Spherical disproportion"),
    ),
    "shape2D": (
        Definition("Elongation", "1", "", "", "", NOT_IBSI),
        Definition("MajorAxisLength", "mm", "sn", "", "", NOT_IBSI),
        Definition("MaximumDiameter", "mm", "sn", "", "", NOT_IBSI),
        Definition("MeshSurface", "mm^2", "sn", "", "", NOT_IBSI),
        Definition("MinorAxisLength", "mm", "sn", "", "", NOT_IBSI),
        Definition("Perimeter", "mm", "sn", "", "", NOT_IBSI),
        Definition("PerimeterSurfaceRatio", "1/mm", "sn", "", "", NOT_IBSI),
        Definition("PixelSurface", "mm^2", "sn", "", "", NOT_IBSI),
        Definition("Sphericity", "1", "", "", "", NOT_IBSI),
        Definition("SphericalDisproportion", "1", "", "", "", NOT_IBSI),
    ),
    "firstorder": (
        Definition("10Percentile", "intensity", "", "QG58", "10th intensity percentile"),
        Definition("90Percentile", "intensity", "", "8DWT", "90th intensity percentile"),
        Definition("Energy", "intensity^2", "n", "N8CA", "Intensity energy", _SHIFT),
        Definition("Entropy", "1", "", "TLU2", "Discretised intensity entropy"),
        Definition("InterquartileRange", "intensity", "", "SALO", "Intensity interquartile range"),
        Definition(
            "Kurtosis",
            "1",
            "",
            "",
            "",
            "IPH6 in IBSI, which is excess kurtosis: this value less 3",
        ),
        Definition("Maximum", "intensity", "", "84IY", "Maximum intensity"),
        Definition(
            "MeanAbsoluteDeviation", "intensity", "", "4FUA", "Intensity mean absolute deviation"
        ),
        Definition("Mean", "intensity", "", "Q4LE", "Mean intensity"),
        Definition("Median", "intensity", "", "Y12H", "Median intensity"),
        Definition("Minimum", "intensity", "", "1GSF", "Minimum intensity"),
        Definition("Range", "intensity", "", "2OJQ", "Intensity range"),
        Definition(
            "RobustMeanAbsoluteDeviation",
            "intensity",
            "",
            "1128",
            "Intensity-based robust mean absolute deviation",
        ),
        Definition(
            "RootMeanSquared", "intensity", "", "5ZWQ", "Root mean square intensity", _SHIFT
        ),
        Definition("Skewness", "1", "", "KE2A", "Intensity skewness"),
        Definition(
            "TotalEnergy",
            "intensity^2 mm^3",
            "sn",
            "",
            "",
            "not in IBSI: Energy (N8CA) times the volume of a voxel",
        ),
        Definition("Uniformity", "1", "", "BJ5W", "Discretised intensity uniformity"),
        Definition("Variance", "intensity^2", "", "ECT3", "Intensity variance"),
        # Deprecated: measured only where a parameter file names it.
        Definition(
            "StandardDeviation",
            "intensity",
            "",
            "",
            "",
            "not in IBSI: square root of Variance (ECT3)",
        ),
    ),
    "glcm": (
        Definition("Autocorrelation", "1", "", "QWB0", "Autocorrelation"),
        Definition("ClusterProminence", "1", "", "AE86", "Cluster prominence"),
        Definition("ClusterShade", "1", "", "7NFM", "Cluster shade"),
        Definition("ClusterTendency", "1", "", "DG8W", "Cluster tendency"),
        Definition("Contrast", "1", "", "ACUI", "Contrast"),
        Definition("Correlation", "1", "", "NI2N", "Correlation"),
        Definition("DifferenceAverage", "1", "", "TF7R", "Difference average"),
        Definition("DifferenceEntropy", "1", "", "NTRS", "Difference entropy"),
        Definition("DifferenceVariance", "1", "", "D3YU", "Difference variance"),
        Definition("Id", "1", "", "IB1Z", "Inverse difference"),
        Definition("Idm", "1", "", "WF0Z", "Inverse difference moment"),
        Definition("Idmn", "1", "", "1QCO", "Normalised inverse difference moment"),
        Definition("Idn", "1", "", "NDRX", "Normalised inverse difference"),
        Definition("Imc1", "1", "", "R8DG", "First measure of information correlation"),
        Definition("Imc2", "1", "", "JN9H", "Second measure of information correlation"),
        Definition("InverseVariance", "1", "", "E8JP", "Inverse variance"),
        Definition("JointAverage", "1", "", "60VM", "Joint average", _SYMMETRIC),
        Definition("JointEnergy", "1", "", "8ZQL", "Angular second moment"),
        Definition("JointEntropy", "1", "", "TU9B", "Joint entropy"),
        Definition("MCC", "1", "", "", "", NOT_IBSI),
        Definition("MaximumProbability", "1", "", "GYBY", "Joint maximum"),
        Definition("SumAverage", "1", "", "ZGXS", "Sum average"),
        Definition("SumEntropy", "1", "", "P6QZ", "Sum entropy"),
        Definition("SumSquares", "1", "", "UR99", "Joint variance", _SYMMETRIC),
    ),
    "glrlm": (
        Definition("GrayLevelNonUniformity", "1", "n", "R5YN", "Grey level non-uniformity"),
        Definition(
            "GrayLevelNonUniformityNormalized",
            "1",
            "",
            "OVBL",
            "Normalised grey level non-uniformity",
        ),
        Definition("GrayLevelVariance", "1", "", "8CE5", "Grey level variance"),
        Definition("HighGrayLevelRunEmphasis", "1", "", "G3QZ", "High grey level run emphasis"),
        Definition("LongRunEmphasis", "1", "", "W4KF", "Long runs emphasis"),
        Definition(
            "LongRunHighGrayLevelEmphasis", "1", "", "3KUM", "Long run high grey level emphasis"
        ),
        Definition(
            "LongRunLowGrayLevelEmphasis", "1", "", "IVPO", "Long run low grey level emphasis"
        ),
        Definition("LowGrayLevelRunEmphasis", "1", "", "V3SW", "Low grey level run emphasis"),
        Definition("RunEntropy", "1", "", "HJ9O", "Run entropy"),
        Definition("RunLengthNonUniformity", "1", "n", "W92Y", "Run length non-uniformity"),
        Definition(
            "RunLengthNonUniformityNormalized",
            "1",
            "",
            "IC23",
            "Normalised run length non-uniformity",
        ),
        Definition("RunPercentage", "1", "", "9ZK5", "Run percentage"),
        Definition("RunVariance", "1", "", "SXLW", "Run length variance"),
        Definition("ShortRunEmphasis", "1", "", "22OV", "Short runs emphasis"),
        Definition(
            "ShortRunHighGrayLevelEmphasis", "1", "", "GD3A", "Short run high grey level emphasis"
        ),
        Definition(
            "ShortRunLowGrayLevelEmphasis", "1", "", "HTZT", "Short run low grey level emphasis"
        ),
    ),
    "glszm": (
        Definition("GrayLevelNonUniformity", "1", "n", "JNSA", "Grey level non-uniformity"),
        Definition(
            "GrayLevelNonUniformityNormalized",
            "1",
            "",
            "Y1RO",
            "Normalised grey level non-uniformity",
        ),
        Definition("GrayLevelVariance", "1", "", "BYLV", "Grey level variance"),
        Definition("HighGrayLevelZoneEmphasis", "1", "", "5GN9", "High grey level zone emphasis"),
        Definition("LargeAreaEmphasis", "1", "", "48P8", "Large zone emphasis"),
        Definition(
            "LargeAreaHighGrayLevelEmphasis", "1", "", "J17V", "Large zone high grey level emphasis"
        ),
        Definition(
            "LargeAreaLowGrayLevelEmphasis", "1", "", "YH51", "Large zone low grey level emphasis"
        ),
        Definition("LowGrayLevelZoneEmphasis", "1", "", "XMSY", "Low grey level zone emphasis"),
        Definition("SizeZoneNonUniformity", "1", "n", "4JP3", "Zone size non-uniformity"),
        Definition(
            "SizeZoneNonUniformityNormalized",
            "1",
            "",
            "VB3A",
            "Normalised zone size non-uniformity",
        ),
        Definition("SmallAreaEmphasis", "1", "", "5QRC", "Small zone emphasis"),
        Definition(
            "SmallAreaHighGrayLevelEmphasis", "1", "", "HW1V", "Small zone high grey level emphasis"
        ),
        Definition(
            "SmallAreaLowGrayLevelEmphasis", "1", "", "5RAI", "Small zone low grey level emphasis"
        ),
        Definition("ZoneEntropy", "1", "", "GU8N", "Zone size entropy"),
        Definition("ZonePercentage", "1", "", "P30P", "Zone percentage"),
        Definition("ZoneVariance", "1", "", "3NSA", "Zone size variance"),
    ),
    "gldm": (
        Definition("DependenceEntropy", "1", "", "FCBV", "Dependence count entropy"),
        Definition("DependenceNonUniformity", "1", "n", "Z87G", "Dependence count non-uniformity"),
        Definition(
            "DependenceNonUniformityNormalized",
            "1",
            "",
            "OKJI",
            "Normalised dependence count non-uniformity",
        ),
        Definition("DependenceVariance", "1", "", "DNX2", "Dependence count variance"),
        Definition("GrayLevelNonUniformity", "1", "n", "FP8K", "Grey level non-uniformity"),
        Definition("GrayLevelVariance", "1", "", "1PFV", "Grey level variance"),
        Definition("HighGrayLevelEmphasis", "1", "", "OAE7", "High grey level count emphasis"),
        Definition("LargeDependenceEmphasis", "1", "", "IMOQ", "High dependence emphasis"),
        Definition(
            "LargeDependenceHighGrayLevelEmphasis",
            "1",
            "",
            "9QMG",
            "High dependence high grey level emphasis",
        ),
        Definition(
            "LargeDependenceLowGrayLevelEmphasis",
            "1",
            "",
            "NBZI",
            "High dependence low grey level emphasis",
        ),
        Definition("LowGrayLevelEmphasis", "1", "", "TL9H", "Low grey level count emphasis"),
        Definition("SmallDependenceEmphasis", "1", "", "SODN", "Low dependence emphasis"),
        Definition(
            "SmallDependenceHighGrayLevelEmphasis",
            "1",
            "",
            "JA6D",
            "Low dependence high grey level emphasis",
        ),
        Definition(
            "SmallDependenceLowGrayLevelEmphasis",
            "1",
            "",
            "EQ3F",
            "Low dependence low grey level emphasis",
        ),
    ),
    "ngtdm": (
        Definition("Busyness", "1", "n", "NQ30", "Busyness"),
        Definition("Coarseness", "1", "n", "QCDE", "Coarseness"),
        Definition("Complexity", "1", "", "HDEZ", "Complexity"),
        Definition("Contrast", "1", "", "65HE", "Contrast"),
        Definition("Strength", "1", "n", "1X9X", "Strength"),
    ),
}
