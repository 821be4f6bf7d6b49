"""Its place puts this folder on the path of imports: tests share `fabricate`."""
