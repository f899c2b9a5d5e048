"""What objects say together: references that lead nowhere, rules that cancel each other out.

The rules of one object alone are in ``translator.validation``.
"""
