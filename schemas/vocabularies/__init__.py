"""Public vocabularies, as data: cell classes (`code,name,images`) and stains (`name,scheme,code,meaning`).

- `munich_bmc`: bone marrow; Matek et al., Blood 138 (20), 2021, doi 10.1182/blood.2020010568; data set
  doi 10.7937/TCIA.AXH3-T579.
- `mll23`: peripheral blood; Shetab Boushehri et al., Scientific Data 12:1773, 2025, doi 10.1038/s41597-025-06223-x.
- `munich_bmc_mll23`: crosswalk of the two. A row reads `code relation code`, with a mapping relation of SKOS (W3C
  Recommendation of 2009, section 10): broadMatch says that the code on the right is the broader one. A code may have
  several rows; one whose relation is empty has no counterpart.
"""
