"""AACIDs, record lines, seekable Zstandard, data folders, and the one interface through which containers are read and written."""

from fonoteca.containers.aacid import MAXIMUM_CHARACTERS, Aacid, format_timestamp, make_aacid, parse_aacid, parse_timestamp
from fonoteca.containers.container import Container, open_container
from fonoteca.containers.member_files import MemberWritten
from fonoteca.containers.memory_store import MemoryFile, MemoryStore
from fonoteca.containers.names import ContainerName, data_folder_name, metadata_file_name, parse_container_name
from fonoteca.containers.record_reader import read_records
from fonoteca.containers.records import Record, decode_record, encode_record
from fonoteca.containers.safe_names import check_name
from fonoteca.containers.seekable import FRAME_BYTES, SeekableReader, SeekableWriter
from fonoteca.containers.splitting import SplitLimits, TorrentSize, cut_containers
from fonoteca.containers.stores import ByteSink, FolderFile, FolderStore, RangedFile, Store
from fonoteca.containers.writer import ContainerWriter, ContainerWritten

__all__ = [
    "FRAME_BYTES",
    "MAXIMUM_CHARACTERS",
    "Aacid",
    "ByteSink",
    "Container",
    "ContainerName",
    "ContainerWriter",
    "ContainerWritten",
    "FolderFile",
    "FolderStore",
    "MemberWritten",
    "MemoryFile",
    "MemoryStore",
    "RangedFile",
    "Record",
    "SeekableReader",
    "SeekableWriter",
    "SplitLimits",
    "Store",
    "TorrentSize",
    "check_name",
    "cut_containers",
    "data_folder_name",
    "decode_record",
    "encode_record",
    "format_timestamp",
    "make_aacid",
    "metadata_file_name",
    "open_container",
    "parse_aacid",
    "parse_container_name",
    "parse_timestamp",
    "read_records",
]
