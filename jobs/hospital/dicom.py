"""Write a slide as a series of VL Whole Slide Microscopy images (PS3.3 A.32.8): two levels, a label, an overview."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import ImageCms
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage

from jobs.hospital.canvas import Pixels
from jobs.hospital.dicom_header import coded, patient_and_study, sequence, specimen
from jobs.hospital.labels import label, overview
from jobs.hospital.plan import Scan
from jobs.hospital.pyramid import REDUCTION, jpeg, reduced, tiles
from jobs.hospital.seeds import uid


def write_dicom(scan: Scan, pixels: Pixels) -> list[bytes]:
    """The files of a slide's pixels, RGB [height, width, 3]: level 0, level 1, LABEL, OVERVIEW."""
    small = reduced(pixels)
    thumbnail = small[:: max(small.shape[0] // 256, 1), :: max(small.shape[1] // 256, 1)]
    kinds = (
        ("VOLUME", "NONE", pixels, scan.tile),
        ("VOLUME", "RESAMPLED", small, scan.tile),
        ("LABEL", "NONE", label(scan), 0),
        ("OVERVIEW", "NONE", overview(scan, thumbnail), 0),
    )
    return [
        instance(scan, number, kind, derived, image, tile)
        for number, (kind, derived, image, tile) in enumerate(kinds, 1)
    ]


def instance(scan: Scan, number: int, kind: str, derived: str, pixels: Pixels, tile: int) -> bytes:
    """One DICOM file.

    Args:
        scan: the slide.
        number: of the instance in its series.
        kind: VOLUME, LABEL or OVERVIEW.
        derived: NONE or RESAMPLED.
        pixels: RGB [height, width, 3].
        tile: side of a tile; 0: one frame holds all.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = uid(scan.seed, scan.name, "instance", number)
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SpecificCharacterSet = "ISO_IR 192"
    file.SOPClassUID = meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.InstanceNumber = number
    first = "ORIGINAL" if derived == "NONE" else "DERIVED"
    file.ImageType = [first, "PRIMARY", kind, derived]
    patient_and_study(file, scan)
    specimen(file, scan)
    _matrix(file, scan, kind, pixels, tile)
    _optics(file)
    frames = [pixels] if not tile else list(tiles(pixels, tile))
    streams = [jpeg(frame, scan.quality) for frame in frames]
    file.LossyImageCompressionRatio = round(sum(f.size for f in frames) / sum(map(len, streams)), 2)
    file.PixelData = encapsulate(streams, has_bot=True)
    file["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _matrix(file: Dataset, scan: Scan, kind: str, pixels: Pixels, tile: int) -> None:
    """Size, tiling and where on the glass it lies (PS3.3 C.8.12.4 and C.7.6.17)."""
    height, width = pixels.shape[:2]
    across, down = (-(-width // tile), -(-height // tile)) if tile else (1, 1)
    spacing = _spacing(scan, kind, width)
    file.TotalPixelMatrixColumns, file.TotalPixelMatrixRows = width, height
    file.Columns, file.Rows = (tile, tile) if tile else (width, height)
    file.NumberOfFrames = across * down
    file.TotalPixelMatrixFocalPlanes = 1
    file.DimensionOrganizationType = "TILED_FULL"
    organisation = uid(scan.seed, scan.name, "dimensions")
    file.DimensionOrganizationSequence = sequence(DimensionOrganizationUID=organisation)
    file.ImagedVolumeWidth, file.ImagedVolumeHeight = round(width * spacing, 6), round(height * spacing, 6)
    file.ImagedVolumeDepth = 0.001
    file.TotalPixelMatrixOriginSequence = sequence(
        XOffsetInSlideCoordinateSystem=20.0, YOffsetInSlideCoordinateSystem=40.0
    )
    file.ImageOrientationSlide = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]
    file.SpecimenLabelInImage = "YES" if kind in ("LABEL", "OVERVIEW") else "NO"
    file.BurnedInAnnotation = file.SpecimenLabelInImage
    file.VolumetricProperties, file.FocusMethod, file.ExtendedDepthOfField = "VOLUME", "AUTO", "NO"
    groups = Dataset()
    groups.PixelMeasuresSequence = sequence(PixelSpacing=[spacing, spacing], SliceThickness=0.001)
    groups.OpticalPathIdentificationSequence = sequence(OpticalPathIdentifier="0")
    groups.WholeSlideMicroscopyImageFrameTypeSequence = sequence(FrameType=file.ImageType)
    file.SharedFunctionalGroupsSequence = [groups]


def _spacing(scan: Scan, kind: str, width: int) -> float:
    """Millimetres per pixel; a label is about 22 mm wide, a glass 76 mm."""
    if kind == "VOLUME":
        return round(scan.um / 1000 * (1 if width == scan.width else REDUCTION), 7)
    return round((22.0 if kind == "LABEL" else 76.0) / width, 6)


def _optics(file: Dataset) -> None:
    """Pixels (PS3.3 C.7.6.3) and optical path (C.8.12.5)."""
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PlanarConfiguration = 3, "YBR_FULL_422", 0
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.LossyImageCompression, file.LossyImageCompressionMethod = "01", "ISO_10918_1"
    path: dict[str, Any] = {
        "OpticalPathIdentifier": "0",
        "OpticalPathDescription": "Brightfield",
        "ICCProfile": icc_profile(),
        "ColorSpace": "SRGB",
        "ObjectiveLensPower": 40.0,
        "IlluminationTypeCodeSequence": [coded("111744", "DCM", "Brightfield illumination")],
        "IlluminationColorCodeSequence": [coded("414298005", "SCT", "Full Spectrum")],
    }
    file.OpticalPathSequence = sequence(**path)
    file.NumberOfOpticalPaths = 1
    file.PresentationLUTShape = "IDENTITY"


@lru_cache(maxsize=1)
def icc_profile() -> bytes:
    """sRGB, with a fixed date in place of today's (ICC.1:2022, 7.2.8)."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    fixed = b"".join(part.to_bytes(2, "big") for part in (2020, 1, 1, 0, 0, 0))
    return profile[:24] + fixed + profile[36:]
