"""What software is inside, and under which licences: of an environment, of wheels, of a lock.

Component (what one distribution says of itself) -> policy (may it be here) -> report and SBOM.
``policy.yaml`` says what is allowed where, ``licences.yaml`` what metadata's words mean.
"""
